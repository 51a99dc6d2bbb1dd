// An object file from another compiler, in the form of a kernel: it calls functions of libm that generated code may call.
// Built without the standard headers, which would turn the calls into instructions.

extern "C" float floorf(float);
extern "C" double nearbyint(double);

/// The float at parameters[0] becomes floor(it) + rint(it).
extern "C" void k(float* const* parameters, long, long, void*) {
    float& place = **parameters;
    place = floorf(place) + static_cast<float>(nearbyint(static_cast<double>(place)));
}
