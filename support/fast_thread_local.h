#pragma once
// For what every call reads of its thread: found without asking the loader, in room that it keeps for libraries opened later. That room is
// small and all such libraries share it, so only a few small variables are declared so.

#define HEDDLE_FAST_THREAD_LOCAL constinit thread_local __attribute__((tls_model("initial-exec")))
