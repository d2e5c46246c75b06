// In front of every family. OpenCL C 1.2.

// A tensor is two arguments, so that shared memory and a device's own memory look alike: where its memory begins, and at which byte of that it begins.
#define TENSOR(type, name) __global type* restrict name##_base, const ulong name##_offset

// The first statements of a kernel: the tensor as a pointer.
#define BIND(type, name) __global type* restrict name = (__global type*)((__global char*)name##_base + name##_offset)
#define BIND_CONST(type, name) __global const type* restrict name = (__global const type*)((__global const char*)name##_base + name##_offset)

// The vectors that an item computes on: LANES floats, or integers. Where items are the lanes of the device's vectors, single ones.
#ifndef LANES
#define LANES 1
#endif

// Neighbouring elements of a row that an item computes, and neighbouring rows.
#ifndef CHUNK
#define CHUNK LANES
#endif
#ifndef RUN
#define RUN 1
#endif

#define PASTED(a, b) a##b
#define VECTOR(a, b) PASTED(a, b)

#if LANES == 1
#define OF(type) type
#define CONVERTED(type, x) ((type)(x))
#define LOAD(from) (*(from))
#define STORE(values, to) (*(to) = (values))
#else
#define OF(type) VECTOR(type, LANES)
#define CONVERTED(type, x) VECTOR(VECTOR(convert_, type), LANES)(x)
#define LOAD(from) VECTOR(vload, LANES)(0, from)
#define STORE(values, to) VECTOR(vstore, LANES)(values, 0, to)
#endif

// Lanes of half a vector.
#if LANES == 16
#define HALF 8
#elif LANES == 8
#define HALF 4
#elif LANES == 4
#define HALF 2
#endif

#define FLOATS OF(float)
#define SPLAT(x) ((FLOATS)(x))

// 1 in the lanes where a comparison holds, 0 in the others.
#define TRUTH(comparison) CONVERTED(uchar, (comparison) & (char)1)

// Vectors of which n elements are there, perhaps fewer than a vector has: the others are read as the filler and not written. OPERAND takes them from element i on of a
// row with a step.
#if LANES == 1
#define LOAD_FIRST(T, from, n, filler) (*(from))
#define STORE_FIRST(T, values, to, n) (*(to) = (values))
#define OPERAND(T, from, step, i, n) ((from)[(i) * (step)])
#define PARTS(T)
#else
#define LOAD_FIRST(T, from, n, filler) ((n) >= LANES ? LOAD(from) : VECTOR(load_first_, T)(from, n, filler))
#define STORE_FIRST(T, values, to, n) VECTOR(store_first_, T)(values, to, n)
#define OPERAND(T, from, step, i, n)                                                                                                         \
    ((step) == 1 ? LOAD_FIRST(T, (from) + (i), n, 0) : (step) == 0 ? (OF(T))(*(from)) : VECTOR(load_steps_, T)((from) + (i) * (step), step, n))

#define PARTS(T)                                                                                                                             \
    inline OF(T) load_first_##T(__global const T* from, const long n, const T filler) {                                                      \
        T part[LANES];                                                                                                                       \
        for (int lane = 0; lane < LANES; lane++) part[lane] = lane < n ? from[lane] : filler;                                                \
        return LOAD(part);                                                                                                                   \
    }                                                                                                                                        \
    inline OF(T) load_steps_##T(__global const T* from, const int step, const long n) {                                                      \
        T part[LANES];                                                                                                                       \
        for (int lane = 0; lane < LANES; lane++) part[lane] = from[(lane < n ? lane : 0) * (long)step];                                      \
        return LOAD(part);                                                                                                                   \
    }                                                                                                                                        \
    inline void store_first_##T(const OF(T) values, __global T* to, const long n) {                                                          \
        if (n >= LANES) {                                                                                                                    \
            STORE(values, to);                                                                                                               \
            return;                                                                                                                          \
        }                                                                                                                                    \
        T part[LANES];                                                                                                                       \
        STORE(values, part);                                                                                                                 \
        for (int lane = 0; lane < n; lane++) to[lane] = part[lane];                                                                          \
    }
#endif

PARTS(char)
PARTS(uchar)
PARTS(ushort)
PARTS(int)
PARTS(uint)
PARTS(long)
PARTS(ulong)
PARTS(float)

// mad is two instructions on processors, which say by these names that they have one.
#if defined(FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define MULTIPLY_ADD fma
#else
#define MULTIPLY_ADD mad
#endif

// Functions with NaN kept: the device's own for single floats, polynomials of about 2 units in the last place for vectors.
#if LANES == 1
#define EXP(x) exp(x)
#define EXP_OR_ZERO(x) exp(x)
#define TANH(x) tanh(x)
#define ERF(x) erf(x)
#else
#define EXP(x) exp_floats(x)
#define EXP_OR_ZERO(x) exp_or_zero_floats(x)
#define TANH(x) tanh_floats(x)
#define ERF(x) erf_floats(x)

#define INTS OF(int)
#define AS_INTS(x) VECTOR(as_int, LANES)(x)
#define AS_FLOATS(x) VECTOR(as_float, LANES)(x)
#define AT_LEAST(least, x) ((x) < (least) ? SPLAT(least) : (x))
#define AT_MOST(most, x) ((x) > (most) ? SPLAT(most) : (x))
#define WITH_SIGN(magnitude, x) AS_FLOATS((AS_INTS(magnitude) & 0x7fffffff) | (AS_INTS(x) & ~0x7fffffff))

// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
#define ROUNDER 12582912.0f
#define LOG2_E 1.44269504088896341f

// x - n ln2.
inline FLOATS exp_rest(const FLOATS x, const FLOATS n) {
    return MULTIPLY_ADD(n, SPLAT(2.12194440e-4f), MULTIPLY_ADD(n, SPLAT(-0.693359375f), x));
}

// (e^r - 1) / r for |r| up to ln2 / 2.
inline FLOATS exp_factor(const FLOATS r) {
    FLOATS p = SPLAT(1.3843644e-3f);
    p = MULTIPLY_ADD(p, r, SPLAT(8.3741630e-3f));
    p = MULTIPLY_ADD(p, r, SPLAT(4.1668002e-2f));
    p = MULTIPLY_ADD(p, r, SPLAT(1.6666432e-1f));
    p = MULTIPLY_ADD(p, r, SPLAT(0.49999994f));
    return MULTIPLY_ADD(p, r, SPLAT(1.0f));
}

// e^x for x within [-87, 88].
inline FLOATS exp_within(const FLOATS x) {
    const FLOATS shifted = MULTIPLY_ADD(x, SPLAT(LOG2_E), SPLAT(ROUNDER + 127.0f));
    const FLOATS r = exp_rest(x, shifted - (ROUNDER + 127.0f)), power = AS_FLOATS(AS_INTS(shifted) << 23);
    return MULTIPLY_ADD(exp_factor(r), r * power, power);
}

inline FLOATS exp_floats(const FLOATS given) {
    const FLOATS above = AT_LEAST(-105.0f, given), x = AT_MOST(90.0f, above);
    const FLOATS shifted = MULTIPLY_ADD(x, SPLAT(LOG2_E), SPLAT(ROUNDER)), r = exp_rest(x, shifted - ROUNDER);
    // 2^n in two factors, so that neither overflows where the product does not.
    const INTS n = AS_INTS(shifted) - as_int(ROUNDER), lower = n >> 1;
    return MULTIPLY_ADD(exp_factor(r), r, SPLAT(1.0f)) * AS_FLOATS((lower + 127) << 23) * AS_FLOATS((n - lower + 127) << 23);
}

// e^x for x up to 0, and 0 where that is below the normal range.
inline FLOATS exp_or_zero_floats(const FLOATS x) {
    const FLOATS above = AT_LEAST(-87.0f, x);
    return x < -87.0f ? SPLAT(0.0f) : exp_within(above);
}

inline FLOATS tanh_floats(const FLOATS x) {
    // From 10 on the result rounds to 1.
    const FLOATS magnitude = fabs(x), twice = magnitude + magnitude, z = x * x, far = 1.0f - 2.0f / (exp_within(AT_MOST(20.0f, twice)) + 1.0f);
    FLOATS p = SPLAT(-5.70498872745e-3f);
    p = MULTIPLY_ADD(p, z, SPLAT(2.06390887954e-2f));
    p = MULTIPLY_ADD(p, z, SPLAT(-5.37397155531e-2f));
    p = MULTIPLY_ADD(p, z, SPLAT(1.33314422036e-1f));
    p = MULTIPLY_ADD(p, z, SPLAT(-3.33332819422e-1f));
    const FLOATS near = MULTIPLY_ADD(p * z, x, x), value = magnitude < 0.625f ? near : far;
    return WITH_SIGN(value, x);
}

// A polynomial near zero, 1 - exp(polynomial) in the tails.
inline FLOATS erf_floats(const FLOATS x) {
    // At 4 the result rounds to 1; the limit keeps the polynomial of the tail finite.
    const FLOATS magnitude = fabs(x), t = AT_MOST(4.0f, magnitude), tt = t * t, s = x * x;
    FLOATS r = MULTIPLY_ADD(SPLAT(-1.72853470e-5f), t, SPLAT(3.83197126e-4f));
    r = MULTIPLY_ADD(r, tt, MULTIPLY_ADD(SPLAT(-3.88396438e-3f), t, SPLAT(2.42546219e-2f)));
    r = MULTIPLY_ADD(r, t, SPLAT(-1.06777877e-1f));
    r = MULTIPLY_ADD(r, t, SPLAT(-6.34846687e-1f));
    r = MULTIPLY_ADD(r, t, SPLAT(-1.28717512e-1f));
    const FLOATS far = 1.0f - exp_within(MULTIPLY_ADD(r, t, -t));
    FLOATS p = SPLAT(-5.96761703e-4f);
    p = MULTIPLY_ADD(p, s, SPLAT(4.99119423e-3f));
    p = MULTIPLY_ADD(p, s, SPLAT(-2.67681349e-2f));
    p = MULTIPLY_ADD(p, s, SPLAT(1.12819925e-1f));
    p = MULTIPLY_ADD(p, s, SPLAT(-3.76125336e-1f));
    p = MULTIPLY_ADD(p, s, SPLAT(1.28379166e-1f));
    const FLOATS near = MULTIPLY_ADD(p, x, x), value = t > 0.927734375f ? far : near;
    return WITH_SIGN(value, x);
}
#endif

#define SIGMOID(x) (1.0f / (1.0f + EXP(-(x))))
#define SWISH(x, slope) ((x) / (1.0f + EXP(-(slope) * (x))))
#define HARD_SIGMOID(x, slope, shift) ((x) == (x) ? clamp((x) * (slope) + (shift), 0.0f, 1.0f) : (x))
#define HARD_SWISH(x) ((x) * clamp((x) * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f))
#define GELU(x) (0.5f * (x) * (1.0f + ERF((x) * 0.70710678118654752f)))
#define GELU_TANH(x) (0.5f * (x) * (1.0f + TANH(0.79788456080286536f * ((x) + 0.044715f * (x) * (x) * (x)))))

// What a kernel applies to its result while it is in registers: ActivationKind by number, with NaN kept.
#ifndef ACTIVATION
#define ACTIVATION 0
#endif

#if ACTIVATION == 0
#define ACTIVATE(x) (x)
#elif ACTIVATION == 1 // Relu
#define ACTIVATE(x) ((x) < 0.0f ? SPLAT(0.0f) : (x))
#elif ACTIVATION == 2 // Clip
#define ACTIVATE(x) ((x) < act_alpha ? SPLAT(act_alpha) : (x) > act_beta ? SPLAT(act_beta) : (x))
#elif ACTIVATION == 3 // LeakyRelu
#define ACTIVATE(x) ((x) < 0.0f ? (x) * act_alpha : (x))
#elif ACTIVATION == 4 // Sigmoid
#define ACTIVATE(x) SIGMOID(x)
#elif ACTIVATION == 5 // Tanh
#define ACTIVATE(x) TANH(x)
#elif ACTIVATION == 6 // Silu
#define ACTIVATE(x) SWISH(x, 1.0f)
#elif ACTIVATION == 7 // HardSwish
#define ACTIVATE(x) HARD_SWISH(x)
#elif ACTIVATION == 8 // HardSigmoid
#define ACTIVATE(x) HARD_SIGMOID(x, act_alpha, act_beta)
#elif ACTIVATION == 9 // GeluErf
#define ACTIVATE(x) GELU(x)
#elif ACTIVATION == 10 // GeluTanh
#define ACTIVATE(x) GELU_TANH(x)
#elif ACTIVATION == 11 // QuickGelu
#define ACTIVATE(x) SWISH(x, act_alpha)
#endif

// The arguments that ACTIVATE reads: the last of a kernel's.
#define ACTIVATION_ARGS const float act_alpha, const float act_beta

// The flags of what follows a sum of products.
#define HAS_BIAS 1
#define RESIDUAL_BEFORE 2
#define RESIDUAL_AFTER 4

// How two numbers, or those of two vectors, become one; a NaN stays.
#define PLUS(x, y) ((x) + (y))
#define TIMES(x, y) ((x) * (y))
#define LARGER(x, y) ((((x) != (x)) | ((x) > (y))) ? (x) : (y))
#define SMALLER(x, y) ((((x) != (x)) | ((x) < (y))) ? (x) : (y))

// A reduction, where an option names it, ReduceKind by number: each element is MAPPED and JOINed with those before, from START on; FINISHED is what becomes of the whole of
// count elements.
#ifdef KIND
#if KIND == 2 // Max
#define JOIN LARGER
#define START (-INFINITY)
#elif KIND == 3 // Min
#define JOIN SMALLER
#define START INFINITY
#elif KIND == 4 // Prod
#define JOIN TIMES
#define START 1.0f
#else
#define JOIN PLUS
#define START 0.0f
#endif

#if KIND == 5 // L1
#define MAPPED(x) fabs(x)
#elif KIND == 6 || KIND == 9 // L2, SumSquare
#define MAPPED(x) ((x) * (x))
#else
#define MAPPED(x) (x)
#endif

#if KIND == 1 // Mean
#define FINISHED(y, count) ((y) / (float)(count))
#elif KIND == 6 // L2
#define FINISHED(y, count) sqrt(y)
#elif KIND == 7 // LogSum
#define FINISHED(y, count) log(y)
#else
#define FINISHED(y, count) (y)
#endif
#endif

// The vectors of an item's chunk of a row: element i is the first of one, and LEFT(i) elements from there on belong to the row up to the end of the chunk. Where the row
// is long enough, the last vector begins with elements of the one before, which are computed twice.
#define EACH(i, length)                                                                                                                      \
    for (long i##_from = (long)get_global_id(0) * CHUNK, i##_end = min(i##_from + CHUNK, (long)(length)), i = OVERLAPPING(i); i##_from < i##_end; \
         i##_from += LANES, i = OVERLAPPING(i))
#define OVERLAPPING(i) (i##_end < LANES ? i##_from : min(i##_from, i##_end - LANES))
#define LEFT(i) (i##_end - i)

// A walk over strided rows. dims are those outside of the rows, the innermost last, and steps go along a row; a stride is 0 where an operand stands still.
#define ROW_ARGS const int inner, const int rows, const int8 dims, const int8 strides_a, const int8 strides_b, const int2 steps

// The same with a third operand.
#define ROW_ARGS_OF_THREE ROW_ARGS, const int8 strides_c, const int step_c

#define ROW_STEP(k, MOVE)                                                                                                                    \
    if (rest > 0) {                                                                                                                          \
        int at = rest % dims.s##k;                                                                                                           \
        rest /= dims.s##k;                                                                                                                   \
        MOVE(k)                                                                                                                              \
    }

#define ROW_WALK(MOVE)                                                                                                                       \
    ROW_STEP(7, MOVE) ROW_STEP(6, MOVE) ROW_STEP(5, MOVE) ROW_STEP(4, MOVE) ROW_STEP(3, MOVE) ROW_STEP(2, MOVE) ROW_STEP(1, MOVE) ROW_STEP(0, MOVE)

#define ROW_MOVE_TWO(k)                                                                                                                      \
    first += at * strides_a.s##k;                                                                                                            \
    second += at * strides_b.s##k;

#define ROW_MOVE_THREE(k)                                                                                                                    \
    ROW_MOVE_TWO(k)                                                                                                                          \
    third += at * strides_c.s##k;

// The rows j of an item.
#define EACH_RUN(j)                                                                                                                          \
    const int j##_begin = (int)min((long)get_global_id(1) * RUN, (long)rows), j##_end = rows - j##_begin > RUN ? j##_begin + RUN : rows;     \
    for (int j = j##_begin; j < j##_end; j++)

// The same in a walk. FIND_ROW, in front of everything else, says where the operands begin in row j: first, second and third. Most rows follow the one before.
#define EACH_ROW(j)                                                                                                                          \
    int first = 0, second = 0, third = 0, along = dims.s7 - 1;                                                                               \
    EACH_RUN(j)

#define FIND_ROW(j, MOVE)                                                                                                                    \
    if (++along < dims.s7) {                                                                                                                 \
        const int at = 1;                                                                                                                    \
        MOVE(7)                                                                                                                              \
    } else {                                                                                                                                 \
        int rest = j;                                                                                                                        \
        first = second = third = 0;                                                                                                          \
        along = j % dims.s7;                                                                                                                 \
        ROW_WALK(MOVE)                                                                                                                       \
    }
