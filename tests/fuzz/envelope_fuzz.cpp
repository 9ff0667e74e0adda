// What arrives at the coordinator's socket: an envelope and the body of the type that it names.
#include <cstdint>
#include <string_view>

#include "common/wire/envelope.h"
#include "jobs/client_messages.h"

namespace {

using mimicfleet::wire::Envelope;

template <typename Message>
void read_as(const Envelope& envelope) {
  if (envelope.type != Message::kType) return;
  const auto body = mimicfleet::wire::body_as<Message>(envelope);
  if (body.ok()) static_cast<void>(mimicfleet::wire::encode_struct(*body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::jobs;
  const auto envelope =
      mimicfleet::wire::open_envelope({reinterpret_cast<const char*>(data), size});
  if (!envelope.ok()) return 0;
  read_as<WorkerHello>(*envelope);
  read_as<WorkerHeartbeat>(*envelope);
  read_as<TaskCompleted>(*envelope);
  read_as<TaskFailed>(*envelope);
  read_as<LeaseGrant>(*envelope);
  read_as<JobSubmit>(*envelope);
  read_as<ArtefactRead>(*envelope);
  return 0;
}
