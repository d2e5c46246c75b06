// Elements that are moved, whatever they mean: T, an option, has their width. One item moves a chunk.

__kernel void copy(TENSOR(const T, src), TENSOR(T, dst), ROW_ARGS) {
    BIND_CONST(T, src);
    BIND(T, dst);
    EACH_ROW(j) {
        FIND_ROW(j, ROW_MOVE_TWO)
        EACH(i, inner) {
            if (steps.s1 == 1) {
                const OF(T) x = OPERAND(T, src + first, steps.s0, i, LEFT(i));
                STORE_FIRST(T, x, dst + second + i, LEFT(i));
            } else {
                for (long k = i; k < min(i + LANES, i_end); k++) dst[second + k * steps.s1] = src[first + k * steps.s0];
            }
        }
    }
}

// The two halves of a and b with their elements, or pairs of them, in turns: within each half of the vectors.
#define LOW_ELEMENTS(a, b) (a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5)
#define HIGH_ELEMENTS(a, b) (a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7)
#define LOW_PAIRS(a, b) (a.s01, b.s01, a.s45, b.s45)
#define HIGH_PAIRS(a, b) (a.s23, b.s23, a.s67, b.s67)

// An 8 x 8 square.
inline void transpose_square(__global const T* from, const long s, __global T* to, const long t) {
    const VECTOR(T, 8) a0 = vload8(0, from), a1 = vload8(0, from + s), a2 = vload8(0, from + 2 * s), a3 = vload8(0, from + 3 * s);
    const VECTOR(T, 8) a4 = vload8(0, from + 4 * s), a5 = vload8(0, from + 5 * s), a6 = vload8(0, from + 6 * s), a7 = vload8(0, from + 7 * s);
    const VECTOR(T, 8) b0 = (VECTOR(T, 8))LOW_ELEMENTS(a0, a1), b1 = (VECTOR(T, 8))HIGH_ELEMENTS(a0, a1);
    const VECTOR(T, 8) b2 = (VECTOR(T, 8))LOW_ELEMENTS(a2, a3), b3 = (VECTOR(T, 8))HIGH_ELEMENTS(a2, a3);
    const VECTOR(T, 8) b4 = (VECTOR(T, 8))LOW_ELEMENTS(a4, a5), b5 = (VECTOR(T, 8))HIGH_ELEMENTS(a4, a5);
    const VECTOR(T, 8) b6 = (VECTOR(T, 8))LOW_ELEMENTS(a6, a7), b7 = (VECTOR(T, 8))HIGH_ELEMENTS(a6, a7);
    const VECTOR(T, 8) c0 = (VECTOR(T, 8))LOW_PAIRS(b0, b2), c1 = (VECTOR(T, 8))HIGH_PAIRS(b0, b2);
    const VECTOR(T, 8) c2 = (VECTOR(T, 8))LOW_PAIRS(b1, b3), c3 = (VECTOR(T, 8))HIGH_PAIRS(b1, b3);
    const VECTOR(T, 8) c4 = (VECTOR(T, 8))LOW_PAIRS(b4, b6), c5 = (VECTOR(T, 8))HIGH_PAIRS(b4, b6);
    const VECTOR(T, 8) c6 = (VECTOR(T, 8))LOW_PAIRS(b5, b7), c7 = (VECTOR(T, 8))HIGH_PAIRS(b5, b7);
    vstore8((VECTOR(T, 8))(c0.lo, c4.lo), 0, to);
    vstore8((VECTOR(T, 8))(c1.lo, c5.lo), 0, to + t);
    vstore8((VECTOR(T, 8))(c2.lo, c6.lo), 0, to + 2 * t);
    vstore8((VECTOR(T, 8))(c3.lo, c7.lo), 0, to + 3 * t);
    vstore8((VECTOR(T, 8))(c0.hi, c4.hi), 0, to + 4 * t);
    vstore8((VECTOR(T, 8))(c1.hi, c5.hi), 0, to + 5 * t);
    vstore8((VECTOR(T, 8))(c2.hi, c6.hi), 0, to + 6 * t);
    vstore8((VECTOR(T, 8))(c3.hi, c7.hi), 0, to + 7 * t);
}

// A copy where src is contiguous along another axis than dst: tile has the elements along dst's axis and along src's, the step in src of the first and that in dst of the
// second; dims are the axes beside these two, and rows their places. One item moves a tile, in squares of 8 x 8.
#define TILE_COLUMNS 64
#define TILE_ROWS 32

__kernel void transpose(TENSOR(const T, src), TENSOR(T, dst), const int rows, const int8 dims, const int8 strides_a, const int8 strides_b,
                        const int4 tile) {
    BIND_CONST(T, src);
    BIND(T, dst);
    const long i_begin = (long)get_global_id(0) * TILE_COLUMNS, i_end = min(i_begin + TILE_COLUMNS, (long)tile.s0);
    const long k_begin = (long)get_global_id(1) * TILE_ROWS, k_end = min(k_begin + TILE_ROWS, (long)tile.s1), s = tile.s2, t = tile.s3;
    int rest = get_global_id(2), first = 0, second = 0;
    if (rest >= rows) return;
    ROW_WALK(ROW_MOVE_TWO)
    src += first;
    dst += second;
    for (long k = k_begin; k < k_end; k += 8)
        for (long i = i_begin; i < i_end; i += 8) {
            if (k + 8 > k_end || i + 8 > i_end) {
                for (long r = k; r < min(k + 8, k_end); r++)
                    for (long c = i; c < min(i + 8, i_end); c++) dst[r * t + c] = src[c * s + r];
            } else {
                transpose_square(src + i * s + k, s, dst + k * t + i, t);
            }
        }
}

__kernel void choose(TENSOR(const uchar, condition), TENSOR(const T, a), TENSOR(const T, b), TENSOR(T, dst), ROW_ARGS_OF_THREE) {
    BIND_CONST(uchar, condition);
    BIND_CONST(T, a);
    BIND_CONST(T, b);
    BIND(T, dst);
    EACH_ROW(j) {
        FIND_ROW(j, ROW_MOVE_THREE)
        EACH(i, inner) {
            const OF(uchar) chosen = OPERAND(uchar, condition + first, steps.s0, i, LEFT(i));
            const OF(T) x = OPERAND(T, a + second, steps.s1, i, LEFT(i)), y = OPERAND(T, b + third, step_c, i, LEFT(i));
            STORE_FIRST(T, CONVERTED(T, chosen) != (OF(T))(0) ? x : y, dst + (long)j * inner + i, LEFT(i));
        }
    }
}

// Slices of [outer, length, inner] at indices of 4 (narrow) or 8 bytes, all inside; a negative one counts from the end.
__kernel void gather(TENSOR(const T, src), TENSOR(const uchar, indices), TENSOR(T, dst), const int outer, const int length,
                     const int inner, const int count, const int narrow) {
    BIND_CONST(T, src);
    BIND_CONST(uchar, indices);
    BIND(T, dst);
    const int j = get_global_id(1), k = get_global_id(2);
    if (j >= count || k >= outer) return;
    int at = narrow ? ((__global const int*)indices)[j] : (int)((__global const long*)indices)[j];
    if (at < 0) at += length;
    src += ((long)k * length + at) * inner;
    dst += ((long)k * count + j) * inner;
    EACH(i, inner) {
        const OF(T) x = LOAD_FIRST(T, src + i, LEFT(i), 0);
        STORE_FIRST(T, x, dst + i, LEFT(i));
    }
}
