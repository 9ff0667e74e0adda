#include "jobs/model_set.h"

#include "common/files/absolute_path.h"
#include "jobs/keys.h"

namespace mimicfleet::jobs {
namespace {

Digest part(std::string_view name, const model_root::FileDigests& files) {
  KeyBuilder key("model_part.v1");
  key.add("part", name);
  for (const auto& [role, digest] : files) key.add(role, digest);
  return key.finish();
}

}  // namespace

ModelSet make_model_set(const model_root::ModelFiles& files,
                        const model_root::PartDigests& digests) {
  ModelSet set;
  set.diffusion = part("diffusion", digests.diffusion);
  set.vae = part("vae", digests.vae);
  set.clip = part("clip", digests.clip);
  set.detector = part("detector", digests.detector);
  set.id = model_set_id(set);
  set.name = files.name;
  set.checkpoint = absolute_path(files.checkpoint).string();
  set.defaults = files.defaults;
  return set;
}

}  // namespace mimicfleet::jobs
