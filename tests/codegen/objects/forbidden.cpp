// An object file that calls what no kernel may call.

extern "C" int system(const char*);

extern "C" void k(const char* const* parameters, long, long, void*) { system(*parameters); }
