// What convolutions do around their products, and those of single planes.

#ifndef SPAN
#define SPAN 1
#endif

// Planes with their padding, and one behind another the phases of their strides: element [i, j] of phase [p, q] is element [i * stride + p - pad, ..] of the plane, or 0
// where that lies outside. Planes of the input begin in_plane elements apart. Axes: height, width. One item brings SPAN (1 or 16) neighbours.
__kernel void pad_planes(TENSOR(const float, src), TENSOR(float, dst), const int planes, const int in_plane, const int2 in, const int2 padded, const int2 phases,
                         const int2 stride, const int2 pad) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int j = get_global_id(0) * SPAN, i = get_global_id(1), z = get_global_id(2);
    const int phase = z % (phases.s0 * phases.s1), plane = z / (phases.s0 * phases.s1);
    if (j >= padded.s1 || i >= padded.s0 || plane >= planes) return;
    const int row = i * stride.s0 + phase / phases.s1 - pad.s0, column = j * stride.s1 + phase % phases.s1 - pad.s1;
    const int inside = row >= 0 && row < in.s0;
    src += (long)plane * in_plane + (long)(inside ? row : 0) * in.s1;
    dst += ((long)z * padded.s0 + i) * padded.s1 + j;
#if SPAN == 16
    if (j + SPAN <= padded.s1 && (!inside || (column >= 0 && stride.s1 <= 2 && column + SPAN * stride.s1 <= in.s1))) {
        float16 values = (float16)(0.0f);
        if (inside && stride.s1 == 1) values = vload16(0, src + column);
        if (inside && stride.s1 == 2) values = (float16)(vload16(0, src + column).even, vload16(1, src + column).even);
        vstore16(values, 0, dst);
        return;
    }
#endif
    for (int k = 0; k < SPAN && j + k < padded.s1; k++) {
        const int at = column + k * stride.s1;
        dst[k] = inside && at >= 0 && at < in.s1 ? src[at] : 0.0f;
    }
}

// Every plane with filters of its own, over planes from pad_planes; taps are the places that the first result sees. channels are computed, of
// all_channels of the tensors; planes of the result begin out_plane elements apart. One item computes LANES neighbours of a row.
__kernel void conv_planes(TENSOR(const float, padded), TENSOR(const float, weights), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, y),
                          TENSOR(const int, taps), const int planes, const int channels, const int all_channels, const int2 out, const int out_plane,
                          const int tap_count, const int row_length, const int plane_elements, const int flags, ACTIVATION_ARGS) {
    BIND_CONST(float, padded);
    BIND_CONST(float, weights);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, y);
    BIND_CONST(int, taps);
    const int column = get_global_id(0) * LANES, row = get_global_id(1), plane = get_global_id(2);
    if (column >= out.s1 || row >= out.s0 || plane >= planes) return;
    const int channel = plane % channels, image = plane / channels;
    padded += ((long)image * all_channels + channel) * plane_elements + row * row_length + column;
    weights += channel * tap_count;
    FLOATS sum = SPLAT(0.0f);
    for (int i = 0; i < tap_count; i++) sum = MULTIPLY_ADD(SPLAT(weights[i]), LOAD(padded + taps[i]), sum);
    if (flags & HAS_BIAS) sum += bias[channel];
    const long to = ((long)image * all_channels + channel) * out_plane + (long)row * out.s1 + column;
    const int left = out.s1 - column;
    FLOATS near = SPLAT(0.0f);
    if (flags & (RESIDUAL_BEFORE | RESIDUAL_AFTER)) near = LOAD_FIRST(float, residual + to, left, 0.0f);
    if (flags & RESIDUAL_BEFORE) sum += near;
    sum = ACTIVATE(sum);
    if (flags & RESIDUAL_AFTER) sum += near;
    STORE_FIRST(float, sum, y + to, left);
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
