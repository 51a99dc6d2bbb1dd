#pragma once
// For what every call of a compiled function goes through: there some instructions, and each return beyond those that a processor has noted,
// count beside the driver's microsecond.

/// A part of one function that has a name of its own. On its declaration; defined where it is used.
#define HEDDLE_ALWAYS_INLINE inline __attribute__((always_inline))
