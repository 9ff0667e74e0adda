#include "worker/cli/latents_command.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/files/digest_cache.h"
#include "common/log.h"
#include "common/model_files/model_root.h"
#include "common/user_folders.h"
#include "jobs/model_set.h"
#include "worker/formats/import_latents.h"

namespace mimicfleet::worker {
namespace {

constexpr int kExitFailed = 1;

struct ImportOptions {
  std::vector<std::string> files;
  std::string output_dir;
  std::string models;
  bool overwrite = false;
};

// The digest of the VAE of a model folder; zero without one.
Result<Digest> vae_of(const std::string& models) {
  if (models.empty()) return Digest();
  ASSIGN_OR_RETURN(const auto files, model_root::find_below(models));
  const std::string caches = user_cache_folder();
  FileDigestCache cache(caches.empty() ? "" : caches + "/digests");
  ASSIGN_OR_RETURN(const auto digests, model_root::digest_parts(files, cache));
  return jobs::make_model_set(digests).vae;
}

int failed(const Status& status) {
  fmt::print(stderr, "error: {}\n", log::printable(status.message()));
  return kExitFailed;
}

int import_all(const ImportOptions& options) {
  const auto vae = vae_of(options.models);
  if (!vae.ok()) return failed(vae.status());
  int code = 0;
  for (const auto& file : options.files) {
    const auto made = formats::import_latents(file, options.output_dir, *vae, options.overwrite);
    if (made.ok()) {
      fmt::print("{} -> {}\n", log::printable(file), log::printable(*made));
    } else {
      code = failed(made.status());
    }
  }
  return code;
}

}  // namespace

void add_latents_command(CLI::App& app, std::function<int()>& chosen) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* latents = app.add_subcommand("latents", "convert latents files");
  latents->require_subcommand(1);
  CLI::App* command =
      latents->add_subcommand("import", "convert latents of the original (.pt) into latents files");
  command->add_option("FILE", options->files, "a file that inference_latent_concat.py wrote")
      ->type_name("")
      ->required();
  command
      ->add_option("--output-dir", options->output_dir,
                   "where they go, as FILE's name with .safetensors")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--models", options->models,
                   "the models that made them, so that their VAE is known")
      ->type_name("DIR");
  command->add_flag("--overwrite", options->overwrite, "replace files that are there");
  command->callback([options, &chosen] { chosen = [options] { return import_all(*options); }; });
}

}  // namespace mimicfleet::worker
