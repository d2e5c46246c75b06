// What convolutions do around their products.

// Planes with their padding, and one behind another the phases of their strides: element [i, j] of phase [p, q] is element [i * stride + p - pad, ..] of the plane, or 0
// where that lies outside. Axes: height, width.
__kernel void pad_planes(TENSOR(const float, src), TENSOR(float, dst), const int planes, const int2 in, const int2 padded, const int2 phases,
                         const int2 stride, const int2 pad) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int j = get_global_id(0), i = get_global_id(1), z = get_global_id(2);
    const int phase = z % (phases.s0 * phases.s1), plane = z / (phases.s0 * phases.s1);
    if (j >= padded.s1 || i >= padded.s0 || plane >= planes) return;
    const int row = i * stride.s0 + phase / phases.s1 - pad.s0, column = j * stride.s1 + phase % phases.s1 - pad.s1;
    const int inside = row >= 0 && row < in.s0 && column >= 0 && column < in.s1;
    dst[((long)z * padded.s0 + i) * padded.s1 + j] = inside ? src[((long)plane * in.s0 + row) * in.s1 + column] : 0.0f;
}

// The end of a transposed convolution. spread [batch, channels, taps, in] is what each element of the input adds at each tap; a result gathers what falls on it.
__kernel void gather_taps(TENSOR(const float, spread), TENSOR(const float, bias), TENSOR(float, y), const int planes, const int channels, const int2 in,
                          const int2 out, const int2 kernel_size, const int2 stride, const int2 dilation, const int2 pad, const int has_bias) {
    BIND_CONST(float, spread);
    BIND_CONST(float, bias);
    BIND(float, y);
    const int column = get_global_id(0), row = get_global_id(1), plane = get_global_id(2);
    if (column >= out.s1 || row >= out.s0 || plane >= planes) return;
    float sum = has_bias ? bias[plane % channels] : 0.0f;
    for (int i = 0; i < kernel_size.s0; i++) {
        const int down = row + pad.s0 - i * dilation.s0, from_row = down / stride.s0;
        if (down < 0 || down % stride.s0 != 0 || from_row >= in.s0) continue;
        for (int j = 0; j < kernel_size.s1; j++) {
            const int right = column + pad.s1 - j * dilation.s1, from_column = right / stride.s1;
            if (right < 0 || right % stride.s1 != 0 || from_column >= in.s1) continue;
            const long tap = ((long)plane * kernel_size.s0 + i) * kernel_size.s1 + j;
            sum += spread[(tap * in.s0 + from_row) * in.s1 + from_column];
        }
    }
    y[((long)plane * out.s0 + row) * out.s1 + column] = sum;
}
