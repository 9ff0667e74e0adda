#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/digest.h"
#include "common/mutex.h"
#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::artefacts {

// The latents that this worker made, as files named by their content: a small header that says what
// they are (docs/latent_format.md), then the bytes. Files appear whole or not at all. When the
// store is full the artefact that nobody has used for longest goes; what is still needed then is
// computed again. Thread-safe.
class ArtefactStore {
 public:
  // `folder` exists and belongs to this process alone. Files that are no whole artefacts are
  // removed.
  [[nodiscard]] static Result<std::unique_ptr<ArtefactStore>> open(const std::string& folder,
                                                                   std::uint64_t capacity_bytes);

  // kResourceExhausted: the disk is full even after making room, or the artefact alone exceeds the
  // capacity.
  [[nodiscard]] Result<jobs::ArtefactRef> put(const Digest& key,
                                              const jobs::NumericsClass& numerics,
                                              std::string_view bytes);

  [[nodiscard]] bool has(const Digest& content) const;

  // What an encode with this key made in this numerics class, if it is here.
  [[nodiscard]] std::optional<jobs::ArtefactRef> find(const Digest& key,
                                                      const jobs::NumericsClass& numerics) const;

  // The whole artefact. kNotFound; kCorruption if the file is not what it was, which removes it.
  [[nodiscard]] Result<std::string> read(const Digest& content);

  // At most `max_bytes` from `offset`, for a peer, which checks the whole. kNotFound;
  // kInvalidArgument for an offset beyond the end. Once the last piece is read the artefact is
  // checked here, too, and removed if it is not what it was: so a peer gets damaged bytes once and
  // not for ever.
  struct Piece {
    std::string bytes;
    std::uint64_t size_bytes = 0;  // of the whole artefact
  };
  [[nodiscard]] Result<Piece> read_piece(const Digest& content, std::uint64_t offset,
                                         std::size_t max_bytes);

  // The most recently used first, at most `limit`.
  [[nodiscard]] std::vector<jobs::ArtefactRef> list(std::size_t limit) const;

  [[nodiscard]] std::uint64_t size_bytes() const;

 private:
  struct Entry {
    jobs::ArtefactRef ref;
    std::uint64_t data_offset = 0;  // of the bytes in the file
  };
  using Entries = std::list<Entry>;  // the most recently used first

  ArtefactStore(std::string folder, std::uint64_t capacity_bytes)
      : folder_(std::move(folder)), capacity_bytes_(capacity_bytes) {}
  [[nodiscard]] std::string path_of(const Digest& content) const;
  [[nodiscard]] Status load() REQUIRES(mutex_);
  [[nodiscard]] Result<Entry> use(const Digest& content);  // and makes it the most recently used
  void make_room(std::uint64_t bytes) REQUIRES(mutex_);
  void remove(const Digest& content) REQUIRES(mutex_);
  void add(Entry entry) REQUIRES(mutex_);

  const std::string folder_;
  const std::uint64_t capacity_bytes_;
  mutable Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);
  std::unordered_map<Digest, Entries::iterator> by_content_ GUARDED_BY(mutex_);
  std::uint64_t size_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mimicfleet::artefacts
