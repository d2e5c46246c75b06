// Products of matrices. One item computes ROWS rows of VECTORS * LANES columns in registers.

#ifndef ROWS
#define ROWS 8
#endif

#ifndef VECTORS
#define VECTORS 1
#endif

#define WIDTH (VECTORS * LANES)

// SHORT_A, SHORT_B: a factor whose elements are halves without subnormal ones. Any device reads them as float32; as half, only with SLAB.
#ifdef SHORT_A
#define A_ELEMENT short
#define A_FLOAT(at) vload_half(0, (__global const half*)(at))
#define A_HALF(at) as_half(*(at))
#else
#define A_ELEMENT float
#define A_FLOAT(at) (*(at))
#define A_HALF(at) convert_half(*(at))
#endif

#ifdef SHORT_B
#define B_ELEMENT short
#define B_FLOATS(at) VECTOR(vload_half, LANES)(0, (__global const half*)(at))
#define B_HALVES(at) VECTOR(as_half, LANES)(LOAD(at))
#else
#define B_ELEMENT float
#define B_FLOATS(at) LOAD(at)
#define B_HALVES(at) CONVERTED(half, LOAD(at))
#endif

// SLAB: factors are multiplied in half, where one is short; so many steps are summed in half before they are added to sums in float32. Product and sum become one instruction where the device has it.
#ifdef SLAB
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define HALVES OF(half)
#define HALF_MULTIPLY_ADD(x, y, sum) ((x) * (y) + (sum))
#endif

// Row i of B, and what goes on to the next one.
#ifdef TAPS
#define LINE(i) (b + taps[i])
#define NEXT_LINE
#else
#define LINE(i) b
#define NEXT_LINE b += b_row
#endif

// Adds the products of steps first to last - 1 to sums; factors become vectors of T.
#define MULTIPLY(T, first, last, A_AS, B_AS, ADD, sums)                                                                                      \
    for (int i = (first); i < (last); i++) {                                                                                                 \
        __global const B_ELEMENT* line = LINE(i);                                                                                            \
        NEXT_LINE;                                                                                                                           \
        T y[VECTORS];                                                                                                                        \
        _Pragma("unroll") for (int v = 0; v < VECTORS; v++) y[v] = B_AS(line + v * LANES);                                                   \
        _Pragma("unroll") for (int r = 0; r < ROWS; r++) {                                                                                   \
            const T x = (T)(A_AS(from[r]));                                                                                                  \
            _Pragma("unroll") for (int v = 0; v < VECTORS; v++) sums[r][v] = ADD(x, y[v], sums[r][v]);                                       \
        }                                                                                                                                    \
        _Pragma("unroll") for (int r = 0; r < ROWS; r++) from[r] += a_strides.s1;                                                            \
    }

// Where matrix number i of a batch begins.
inline long batch_offset(int i, const int4 dims, const int4 strides) {
    long offset = (long)(i % dims.s3) * strides.s3;
    i /= dims.s3;
    if (i == 0) return offset;
    offset += (long)(i % dims.s2) * strides.s2;
    i /= dims.s2;
    offset += (long)(i % dims.s1) * strides.s1;
    return offset + (long)(i / dims.s1) * strides.s0;
}

inline FLOATS load_places(__global const float* from, const int* places) {
    float values[LANES];
    for (int lane = 0; lane < LANES; lane++) values[lane] = places[lane] < 0 ? 0.0f : from[places[lane]];
    return LOAD(values);
}

inline void store_places(const FLOATS values, __global float* to, const int* places) {
    float part[LANES];
    STORE(values, part);
    for (int lane = 0; lane < LANES; lane++)
        if (places[lane] >= 0) to[places[lane]] = part[lane];
}

// C = activation(alpha A B + beta bias + residual). B is panels of WIDTH columns (b_panel elements from one to the next, b_row between the rows of one), or, where b_panel
// is 0, rows of at least WIDTH columns. Residual and C are laid out alike.
// With TAPS, row i of B begins at taps[i], columns are places in image rows of a length, of which those in front, image.s1 of image.s0, are columns of C.
__kernel void gemm(TENSOR(const A_ELEMENT, a), TENSOR(const B_ELEMENT, b), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, c),
#ifdef TAPS
                   TENSOR(const int, taps), const int2 image,
#endif
                   const int m, const int n, const int k, const int batch, const int2 a_strides, const int b_panel, const int b_row,
                   const int2 bias_strides, const int bias_batch, const int c_row, const int4 dims, const int4 a_batch, const int4 b_batch, const int4 c_batch,
                   const float alpha, const float beta, const int flags, ACTIVATION_ARGS) {
    BIND_CONST(A_ELEMENT, a);
    BIND_CONST(B_ELEMENT, b);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, c);
#ifdef TAPS
    BIND_CONST(int, taps);
#endif
    const int column = get_global_id(0) * WIDTH, row = get_global_id(1) * ROWS, product = get_global_id(2);
    if (column >= n || row >= m || product >= batch) return;

    // Rows behind the last repeat it. The last columns of rows are read together with some in front of them. Neither is stored.
    const int first = b_panel ? column : max(0, min(column, n - WIDTH));
    __global const A_ELEMENT* from[ROWS];
    FLOATS sum[ROWS][VECTORS];
    a += batch_offset(product, dims, a_batch);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        from[r] = a + (long)min(row + r, m - 1) * a_strides.s0;
#pragma unroll
        for (int v = 0; v < VECTORS; v++) sum[r][v] = (FLOATS)(0.0f);
    }
    b += batch_offset(product, dims, b_batch) + (b_panel ? (long)get_global_id(0) * b_panel : first);
#ifdef SLAB
    for (int begin = 0; begin < k; begin += SLAB) {
        HALVES part[ROWS][VECTORS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int v = 0; v < VECTORS; v++) part[r][v] = CONVERTED(half, (FLOATS)(0.0f));
        }
        MULTIPLY(HALVES, begin, min(begin + SLAB, k), A_HALF, B_HALVES, HALF_MULTIPLY_ADD, part)
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int v = 0; v < VECTORS; v++) sum[r][v] += CONVERTED(float, part[r][v]);
        }
    }
    // What was too large for half has left an infinity or a NaN, which no sum takes back: then all is computed again in float32.
    OF(int) finite = -1;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int v = 0; v < VECTORS; v++) finite &= isfinite(sum[r][v]);
    }
    if (!all(finite)) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            from[r] -= (long)k * a_strides.s1;
#pragma unroll
            for (int v = 0; v < VECTORS; v++) sum[r][v] = (FLOATS)(0.0f);
        }
#ifndef TAPS
        b -= (long)k * b_row;
#endif
        MULTIPLY(FLOATS, 0, k, A_FLOAT, B_FLOATS, MULTIPLY_ADD, sum)
    }
#else
    MULTIPLY(FLOATS, 0, k, A_FLOAT, B_FLOATS, MULTIPLY_ADD, sum)
#endif

    const long result = batch_offset(product, dims, c_batch);
    const int rows = min(ROWS, m - row);
#if ACTIVATION == 0 && !defined(TAPS)
    if (flags == 0 && first == column && column + WIDTH <= n) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (r >= rows) continue;
#pragma unroll
            for (int v = 0; v < VECTORS; v++) STORE(alpha * sum[r][v], c + result + (long)(row + r) * c_row + column + v * LANES);
        }
        return;
    }
#endif

    // In memory, so that what follows is written once, not once for each register.
    float sums[ROWS * WIDTH];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int v = 0; v < VECTORS; v++) STORE(sum[r][v], sums + r * WIDTH + v * LANES);
    }
    bias += (long)(product % dims.s3) * bias_batch;
    for (int v = 0; v < VECTORS; v++) {
        // Where the columns are in a row of C, -1 for those that are not stored.
        const int begin = first + v * LANES;
        int places[LANES];
#ifdef TAPS
        int at = begin % image.s0, line = begin / image.s0 * image.s1;
        const int to = line + at, whole = begin >= column && begin + LANES <= n && at + LANES <= image.s1;
        for (int lane = 0; lane < LANES; lane++) {
            places[lane] = begin + lane >= column && begin + lane < n && at < image.s1 ? line + at : -1;
            if (++at == image.s0) at = 0, line += image.s1;
        }
#else
        const int to = begin, whole = begin >= column && begin + LANES <= n;
        for (int lane = 0; lane < LANES; lane++) places[lane] = begin + lane >= column && begin + lane < n ? begin + lane : -1;
#endif
        for (int r = 0; r < rows; r++) {
            const long offset = result + (long)(row + r) * c_row;
            FLOATS value = alpha * LOAD(sums + r * WIDTH + v * LANES);
            if (flags & HAS_BIAS) {
                __global const float* terms = bias + (long)(row + r) * bias_strides.s0;
                value += beta * (bias_strides.s1 == 0 ? (FLOATS)(*terms) : whole ? LOAD(terms + to) : load_places(terms, places));
            }
            FLOATS near = (FLOATS)(0.0f);
            if (flags & (RESIDUAL_BEFORE | RESIDUAL_AFTER)) near = whole ? LOAD(residual + offset + to) : load_places(residual + offset, places);
            if (flags & RESIDUAL_BEFORE) value += near;
            value = ACTIVATE(value);
            if (flags & RESIDUAL_AFTER) value += near;
            if (whole) STORE(value, c + offset + to);
            else store_places(value, c + offset, places);
        }
    }
}

// Panels of width columns, the rows of one behind another, filled up with zeros. Row r lies at r % inner_rows * s1 + r / inner_rows * s2, matrix z likewise. One item
// packs so many columns, which divide the width.
__kernel void pack_panels(TENSOR(const float, src), TENSOR(float, dst), const int columns, const int rows, const int inner_rows, const int matrices,
                          const int inner_matrices, const int width, const int column_stride, const int2 row_strides, const int2 matrix_strides, const int span) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int column = get_global_id(0) * span, row = get_global_id(1), matrix = get_global_id(2);
    const int panels = (columns + width - 1) / width;
    if (column >= panels * width || row >= rows || matrix >= matrices) return;
    src += (long)(matrix % inner_matrices) * matrix_strides.s0 + (long)(matrix / inner_matrices) * matrix_strides.s1;
    src += (long)(row % inner_rows) * row_strides.s0 + (long)(row / inner_rows) * row_strides.s1 + (long)column * column_stride;
    dst += (((long)matrix * panels + column / width) * rows + row) * width + column % width;
    const int there = clamp(columns - column, 0, span);
    for (int i = 0; i < there; i++) dst[i] = src[(long)i * column_stride];
    for (int i = there; i < span; i++) dst[i] = 0.0f;
}
