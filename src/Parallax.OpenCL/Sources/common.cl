// In front of every family. OpenCL C 1.2.

// A tensor is two arguments, so that shared memory and a device's own memory look alike: where its memory begins, and at which byte of that it begins.
#define TENSOR(type, name) __global type* restrict name##_base, const ulong name##_offset

// The first statements of a kernel: the tensor as a pointer.
#define BIND(type, name) __global type* restrict name = (__global type*)((__global char*)name##_base + name##_offset)
#define BIND_CONST(type, name) __global const type* restrict name = (__global const type*)((__global const char*)name##_base + name##_offset)

// What a kernel applies to its result while it is in registers: ActivationKind by number, with NaN kept. T is float or a vector of floats.
#ifndef ACTIVATION
#define ACTIVATION 0
#endif

#if ACTIVATION == 0
#define ACTIVATE(T, x) (x)
#elif ACTIVATION == 1 // Relu
#define ACTIVATE(T, x) ((x) < (T)(0.0f) ? (T)(0.0f) : (x))
#elif ACTIVATION == 2 // Clip
#define ACTIVATE(T, x) ((x) < (T)(act_alpha) ? (T)(act_alpha) : (x) > (T)(act_beta) ? (T)(act_beta) : (x))
#elif ACTIVATION == 3 // LeakyRelu
#define ACTIVATE(T, x) ((x) < (T)(0.0f) ? (x) * act_alpha : (x))
#elif ACTIVATION == 4 // Sigmoid
#define ACTIVATE(T, x) (1.0f / (1.0f + exp(-(x))))
#elif ACTIVATION == 5 // Tanh
#define ACTIVATE(T, x) tanh(x)
#elif ACTIVATION == 6 // Silu
#define ACTIVATE(T, x) ((x) / (1.0f + exp(-(x))))
#elif ACTIVATION == 7 // HardSwish
#define ACTIVATE(T, x) ((x) * clamp((x) * (1.0f / 6.0f) + 0.5f, (T)(0.0f), (T)(1.0f)))
#elif ACTIVATION == 8 // HardSigmoid
#define ACTIVATE(T, x) ((x) == (x) ? clamp((x) * act_alpha + act_beta, (T)(0.0f), (T)(1.0f)) : (x))
#elif ACTIVATION == 9 // GeluErf
#define ACTIVATE(T, x) (0.5f * (x) * (1.0f + erf((x) * 0.70710678118654752f)))
#elif ACTIVATION == 10 // GeluTanh
#define ACTIVATE(T, x) (0.5f * (x) * (1.0f + tanh(0.79788456080286536f * ((x) + 0.044715f * (x) * (x) * (x)))))
#elif ACTIVATION == 11 // QuickGelu
#define ACTIVATE(T, x) ((x) / (1.0f + exp(-act_alpha * (x))))
#endif

// The arguments that ACTIVATE reads: the last of a kernel's.
#define ACTIVATION_ARGS const float act_alpha, const float act_beta

// The first count (1 to 8) of eight neighbours; the others are 0.
inline float8 load_part(__global const float* from, const int count) {
    if (count >= 8) return vload8(0, from);
    float part[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < count; i++) part[i] = from[i];
    return vload8(0, part);
}

inline void store_part(float8 values, __global float* to, const int count) {
    if (count >= 8) {
        vstore8(values, 0, to);
        return;
    }
    float part[8];
    vstore8(values, 0, part);
    for (int i = 0; i < count; i++) to[i] = part[i];
}
