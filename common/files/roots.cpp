#include "common/files/roots.h"

#include <fcntl.h>

#include <cerrno>

#include "common/files/io.h"

namespace mimicfleet {

Result<UniqueFd> open_beneath(int root_fd, std::string_view relative) {
  const std::string name(relative);
  const Status refused(StatusCode::kInvalidArgument, name + ": is no plain path below its root");
  if (relative.find('\0') != std::string_view::npos) return refused;
  UniqueFd folder;
  int parent = root_fd;
  for (;;) {
    const auto slash = relative.find('/');
    const std::string component(relative.substr(0, slash));
    if (component.empty() || component == "." || component == "..") return refused;
    const bool last = slash == std::string_view::npos;
    // O_NOFOLLOW makes a link an error: ELOOP for a file, ENOTDIR for a folder.
    UniqueFd fd(::openat(
        parent, component.c_str(),
        O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (last ? O_RDONLY : O_PATH | O_DIRECTORY)));
    if (!fd.valid() && (errno == ELOOP || errno == ENOTDIR)) {
      return Status(
          StatusCode::kInvalidArgument,
          name + ": leads through a symbolic link or a file; name the place that it means");
    }
    if (!fd.valid()) return file_error(name, "cannot be opened", errno, StatusCode::kBadInput);
    if (last) {
      RETURN_IF_ERROR(check_regular_file(fd.get(), name));
      return fd;
    }
    folder = std::move(fd);
    parent = folder.get();
    relative.remove_prefix(slash + 1);
  }
}

Result<Roots> Roots::open(const std::vector<std::string>& folders) {
  Roots roots;
  for (const std::string& folder : folders) {
    UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return file_error(folder, "cannot be opened as a root", errno);
    std::string name = folder;
    if (!name.ends_with('/')) name += '/';
    roots.roots_.push_back({std::move(name), std::move(fd)});
  }
  return roots;
}

const Roots::Root* Roots::find(std::string_view path) const {
  for (const Root& root : roots_) {
    if (path.starts_with(root.name)) return &root;
  }
  return nullptr;
}

bool Roots::contain(std::string_view path) const { return find(path) != nullptr; }

Result<UniqueFd> Roots::open_file(const std::string& path) const {
  const Root* root = find(path);
  if (root == nullptr) {
    return Status(
        StatusCode::kFailedPrecondition,
        path + ": is below none of this worker's roots; start it with --roots and that folder");
  }
  auto fd = open_beneath(root->fd.get(), std::string_view(path).substr(root->name.size()));
  if (!fd.ok()) return fd.status().prefixed(root->name);
  return fd;
}

}  // namespace mimicfleet
