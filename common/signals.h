#pragma once

namespace mimicfleet {

// Installs a handler, or SIG_DFL, for a signal; not for a SIGHUP that whoever started this process
// has it ignore, as nohup does: it stays ignored.
void handle_signal(int signal, void (*handler)(int));

}  // namespace mimicfleet
