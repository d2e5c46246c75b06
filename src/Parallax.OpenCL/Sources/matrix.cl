// Products of matrices. One item computes ROWS rows of 8 columns in registers.

#ifndef ROWS
#define ROWS 8
#endif

#define HAS_BIAS 1
#define RESIDUAL_BEFORE 2
#define RESIDUAL_AFTER 4

// Where matrix number i of a batch begins.
inline long batch_offset(int i, const int4 dims, const int4 strides) {
    long offset = (long)(i % dims.s3) * strides.s3;
    i /= dims.s3;
    offset += (long)(i % dims.s2) * strides.s2;
    i /= dims.s2;
    offset += (long)(i % dims.s1) * strides.s1;
    return offset + (long)(i / dims.s1) * strides.s0;
}

// Eight columns lie side by side in B: b_row elements from one row to the next, b_panel from one eight to the next. Residual and C are laid out alike.
__kernel void gemm(TENSOR(const float, a), TENSOR(const float, b), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, c),
                   const int m, const int n, const int k, const int batch, const int2 a_strides, const int b_panel, const int b_row,
                   const int2 bias_strides, const int c_row, const int4 dims, const int4 a_batch, const int4 b_batch, const int4 c_batch,
                   const float alpha, const float beta, const int flags, ACTIVATION_ARGS) {
    BIND_CONST(float, a);
    BIND_CONST(float, b);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, c);
    const int column = get_global_id(0) * 8, row = get_global_id(1) * ROWS, product = get_global_id(2);
    if (column >= n || row >= m || product >= batch) return;
    const int count = min(8, n - column);

    // Rows behind the last repeat it, and are not stored.
    __global const float* from[ROWS];
    float8 sum[ROWS];
    a += batch_offset(product, dims, a_batch);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        from[r] = a + (long)min(row + r, m - 1) * a_strides.s0;
        sum[r] = (float8)(0.0f);
    }
    b += batch_offset(product, dims, b_batch) + (long)get_global_id(0) * b_panel;
    for (int i = 0; i < k; i++) {
        const float8 y = vload8(0, b);
#pragma unroll
        for (int r = 0; r < ROWS; r++) sum[r] = mad((float8)(*from[r]), y, sum[r]);
#pragma unroll
        for (int r = 0; r < ROWS; r++) from[r] += a_strides.s1;
        b += b_row;
    }

    const long first = batch_offset(product, dims, c_batch) + column;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (row + r >= m) return;
        const long at = first + (long)(row + r) * c_row;
        float8 value = alpha * sum[r];
        if (flags & HAS_BIAS) {
            __global const float* terms = bias + (long)(row + r) * bias_strides.s0;
            value += beta * (bias_strides.s1 ? load_part(terms + column, count) : (float8)(*terms));
        }
        if (flags & RESIDUAL_BEFORE) value += load_part(residual + at, count);
        value = ACTIVATE(float8, value);
        if (flags & RESIDUAL_AFTER) value += load_part(residual + at, count);
        store_part(value, c + at, count);
    }
}

// Panels of width columns, the rows of one behind another, filled up with zeros. Row r lies at r % inner_rows * s1 + r / inner_rows * s2, matrix z likewise.
__kernel void pack_panels(TENSOR(const float, src), TENSOR(float, dst), const int columns, const int rows, const int inner_rows, const int matrices,
                          const int inner_matrices, const int width, const int column_stride, const int2 row_strides, const int2 matrix_strides) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int column = get_global_id(0), row = get_global_id(1), matrix = get_global_id(2);
    const int panels = (columns + width - 1) / width;
    if (column >= panels * width || row >= rows || matrix >= matrices) return;
    src += (long)(matrix % inner_matrices) * matrix_strides.s0 + (long)(matrix / inner_matrices) * matrix_strides.s1;
    src += (long)(row % inner_rows) * row_strides.s0 + (long)(row / inner_rows) * row_strides.s1;
    dst += (((long)matrix * panels + column / width) * rows + row) * width + column % width;
    *dst = column < columns ? src[(long)column * column_stride] : 0.0f;
}
