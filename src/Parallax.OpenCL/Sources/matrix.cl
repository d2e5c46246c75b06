// Products of matrices. One item computes ROWS rows of VECTORS * LANES columns in registers.

#ifndef ROWS
#define ROWS 8
#endif

#ifndef VECTORS
#define VECTORS 1
#endif

#define WIDTH (VECTORS * LANES)

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
__kernel void gemm(TENSOR(const float, a), TENSOR(const float, b), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, c),
#ifdef TAPS
                   TENSOR(const int, taps), const int2 image,
#endif
                   const int m, const int n, const int k, const int batch, const int2 a_strides, const int b_panel, const int b_row,
                   const int2 bias_strides, const int bias_batch, const int c_row, const int4 dims, const int4 a_batch, const int4 b_batch, const int4 c_batch,
                   const float alpha, const float beta, const int flags, ACTIVATION_ARGS) {
    BIND_CONST(float, a);
    BIND_CONST(float, b);
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
    __global const float* from[ROWS];
    FLOATS sum[ROWS][VECTORS];
    a += batch_offset(product, dims, a_batch);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        from[r] = a + (long)min(row + r, m - 1) * a_strides.s0;
#pragma unroll
        for (int v = 0; v < VECTORS; v++) sum[r][v] = (FLOATS)(0.0f);
    }
    b += batch_offset(product, dims, b_batch) + (b_panel ? (long)get_global_id(0) * b_panel : first);
    for (int i = 0; i < k; i++) {
#ifdef TAPS
        __global const float* line = b + taps[i];
#else
        __global const float* line = b;
        b += b_row;
#endif
        FLOATS y[VECTORS];
#pragma unroll
        for (int v = 0; v < VECTORS; v++) y[v] = LOAD(line + v * LANES);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const FLOATS x = (FLOATS)(*from[r]);
#pragma unroll
            for (int v = 0; v < VECTORS; v++) sum[r][v] = MULTIPLY_ADD(x, y[v], sum[r][v]);
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) from[r] += a_strides.s1;
    }

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
