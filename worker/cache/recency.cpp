#include "worker/cache/recency.h"

namespace mimicfleet::cache {

void Recency::note(const std::string& name, const Use& use) {
  forget(name);
  if (const auto other = order_.find(use.sequence); other != order_.end())
    forget(std::string(other->second));
  uses_.emplace(name, use);
  order_.emplace(use.sequence, name);
  bytes_ += use.bytes;
  Size& of_kind = by_kind_[EntryName::kind_of(name)];
  of_kind.bytes += use.bytes;
  ++of_kind.entries;
}

void Recency::forget(const std::string& name) {
  const auto found = uses_.find(name);
  if (found == uses_.end()) return;
  bytes_ -= found->second.bytes;
  Size& of_kind = by_kind_[EntryName::kind_of(name)];
  of_kind.bytes -= found->second.bytes;
  --of_kind.entries;
  order_.erase(found->second.sequence);
  uses_.erase(found);
}

std::uint64_t Recency::next_sequence() const {
  return order_.empty() ? 1 : order_.rbegin()->first + 1;
}

const Use* Recency::find(const std::string& name) const {
  const auto found = uses_.find(name);
  return found == uses_.end() ? nullptr : &found->second;
}

std::vector<std::string> Recency::beyond(std::uint64_t limit) const {
  std::vector<std::string> names;
  std::uint64_t left = bytes_;
  for (auto oldest = order_.begin(); left > limit && oldest != order_.end(); ++oldest) {
    left -= uses_.at(oldest->second).bytes;
    names.push_back(oldest->second);
  }
  return names;
}

void Recency::newest_first(
    const std::function<bool(const std::string& name, const Use& use)>& visit) const {
  for (auto entry = order_.rbegin(); entry != order_.rend(); ++entry) {
    if (!visit(entry->second, uses_.at(entry->second))) return;
  }
}

}  // namespace mimicfleet::cache
