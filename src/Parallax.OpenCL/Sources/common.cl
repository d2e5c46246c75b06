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

// mad is two instructions on processors, which say by these names that they have one.
#if defined(FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define MULTIPLY_ADD fma
#else
#define MULTIPLY_ADD mad
#endif

// The flags of what follows a sum of products.
#define HAS_BIAS 1
#define RESIDUAL_BEFORE 2
#define RESIDUAL_AFTER 4

// A walk over strided rows: column i of row j. dims are those outside of the rows, the innermost last, and steps go along a row; a stride is 0 where an operand stands still.
#define ROW_ARGS const int inner, const int rows, const int8 dims, const int8 strides_a, const int8 strides_b, const int2 steps

// The same with a third operand.
#define ROW_ARGS_OF_THREE ROW_ARGS, const int8 strides_c, const int step_c

#define ROW_STEP(k, MOVE)                                                                                                                    \
    if (rest > 0) {                                                                                                                          \
        int at = rest % dims.s##k;                                                                                                           \
        rest /= dims.s##k;                                                                                                                   \
        MOVE(k)                                                                                                                              \
    }

#define ROW_ITEM                                                                                                                             \
    int i = get_global_id(0), j = get_global_id(1);                                                                                          \
    if (i >= inner || j >= rows) return;                                                                                                     \
    int rest = j, first = i * steps.s0, second = i * steps.s1;

#define ROW_WALK(MOVE)                                                                                                                       \
    ROW_STEP(7, MOVE) ROW_STEP(6, MOVE) ROW_STEP(5, MOVE) ROW_STEP(4, MOVE) ROW_STEP(3, MOVE) ROW_STEP(2, MOVE) ROW_STEP(1, MOVE) ROW_STEP(0, MOVE)

#define ROW_MOVE_TWO(k)                                                                                                                      \
    first += at * strides_a.s##k;                                                                                                            \
    second += at * strides_b.s##k;

#define ROW_MOVE_THREE(k)                                                                                                                    \
    ROW_MOVE_TWO(k)                                                                                                                          \
    third += at * strides_c.s##k;

// Where the operands are: first and second, and third.
#define ROW_BEGIN                                                                                                                            \
    ROW_ITEM                                                                                                                                 \
    ROW_WALK(ROW_MOVE_TWO)

#define ROW_BEGIN_OF_THREE                                                                                                                   \
    ROW_ITEM                                                                                                                                 \
    int third = i * step_c;                                                                                                                  \
    ROW_WALK(ROW_MOVE_THREE)
