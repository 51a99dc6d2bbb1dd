#pragma once
// Every error that leaves Heddle is one of these. A message is one line: what happened, in which function and op, at
// which line of the user's source, with what was expected and what was given.

#include <stdexcept>
#include <string>

namespace heddle {

/// Base of all exceptions thrown by Heddle.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Wrong rank, shape, arity, axis or size.
class ShapeError : public Error {
public:
    using Error::Error;
};

/// An op does not take, or cannot combine, the given element types.
class DtypeError : public Error {
public:
    using Error::Error;
};

/// Misuse of tracing: an escaped tracer, reading a tracer's value, a function that traces itself without end.
class TraceError : public Error {
public:
    using Error::Error;
};

/// Text that is no valid .hir, .npy or image; the message starts with `file:line:column`.
class ParseError : public Error {
public:
    using Error::Error;
};

/// Bad use that no type can prevent: unknown device or option, a handle used after shutdown.
class UsageError : public Error {
public:
    using Error::Error;
};

/// A device, a driver or the plug-in behind one is missing, refused work or failed.
class DeviceError : public Error {
public:
    using Error::Error;
};

/// The device was lost. Its context is unusable; a new context works in the same process.
class DeviceLost : public DeviceError {
public:
    using DeviceError::DeviceError;
};

/// Memory ran out. Nothing was changed; everything stays usable.
class OutOfMemory : public DeviceError {
public:
    using DeviceError::DeviceError;
};

/// A broken invariant inside Heddle: a defect to report, never the user's fault.
class InternalError : public Error {
public:
    using Error::Error;
};

} // namespace heddle
