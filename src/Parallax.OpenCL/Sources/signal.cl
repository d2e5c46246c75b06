// The end of a command list, where both sides see it. The queue runs in order: what the commands before wrote is written.
#if defined(__opencl_c_atomic_scope_all_devices) || __OPENCL_C_VERSION__ < 300
#define SIGNAL_SCOPE memory_scope_all_svm_devices
#else
#define SIGNAL_SCOPE memory_scope_device
#endif

__kernel void raise_flag(__global atomic_uint* flag_base, const ulong flag_offset, const uint ticket) {
    atomic_store_explicit(flag_base + flag_offset, ticket, memory_order_release, SIGNAL_SCOPE);
}
