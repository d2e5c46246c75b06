// Elements that are moved, whatever they mean: T has their width.

#define COPY(T)                                                                                                                              \
    __kernel void copy_##T(TENSOR(const T, src), TENSOR(T, dst), ROW_ARGS) {                                                                 \
        BIND_CONST(T, src);                                                                                                                  \
        BIND(T, dst);                                                                                                                        \
        ROW_BEGIN                                                                                                                            \
        dst[second] = src[first];                                                                                                            \
    }

#define SELECT(T)                                                                                                                            \
    __kernel void select_##T(TENSOR(const uchar, condition), TENSOR(const T, a), TENSOR(const T, b), TENSOR(T, dst), ROW_ARGS_OF_THREE) {    \
        BIND_CONST(uchar, condition);                                                                                                        \
        BIND_CONST(T, a);                                                                                                                    \
        BIND_CONST(T, b);                                                                                                                    \
        BIND(T, dst);                                                                                                                        \
        ROW_BEGIN_OF_THREE                                                                                                                   \
        dst[j * inner + i] = condition[first] ? a[second] : b[third];                                                                        \
    }

// Slices of [outer, length, inner] at indices of 4 (narrow) or 8 bytes, all inside; a negative one counts from the end.
#define GATHER(T)                                                                                                                            \
    __kernel void gather_##T(TENSOR(const T, src), TENSOR(const uchar, indices), TENSOR(T, dst), const int outer, const int length,          \
                             const int inner, const int count, const int narrow) {                                                           \
        BIND_CONST(T, src);                                                                                                                  \
        BIND_CONST(uchar, indices);                                                                                                          \
        BIND(T, dst);                                                                                                                        \
        int i = get_global_id(0), j = get_global_id(1), k = get_global_id(2);                                                                \
        if (i >= inner || j >= count || k >= outer) return;                                                                                  \
        int at = narrow ? ((__global const int*)indices)[j] : (int)((__global const long*)indices)[j];                                       \
        if (at < 0) at += length;                                                                                                            \
        dst[(k * count + j) * inner + i] = src[(k * length + at) * inner + i];                                                               \
    }

#define MOVES(T)                                                                                                                             \
    COPY(T)                                                                                                                                  \
    SELECT(T)                                                                                                                                \
    GATHER(T)

MOVES(uchar)
MOVES(ushort)
MOVES(uint)
MOVES(ulong)
