// Convolution over two spatial axes as an implicit product: one item computes CHANNELS channels of 8 neighbours of the flattened result in registers.

#ifndef CHANNELS
#define CHANNELS 8
#endif

#define HAS_BIAS 1
#define RESIDUAL_BEFORE 2
#define RESIDUAL_AFTER 4

#if CHANNELS == 8
#define LOAD_WEIGHTS(from) vstore8(vload8(0, from), 0, weight)
#else
#define LOAD_WEIGHTS(from) weight[0] = *(from)
#endif

#define ACCUMULATE(x)                                                                                                                        \
    LOAD_WEIGHTS(w);                                                                                                                         \
    w += CHANNELS;                                                                                                                           \
    _Pragma("unroll") for (int r = 0; r < CHANNELS; r++) sum[r] = mad((float8)(weight[r]), x, sum[r]);

// x_channels and y_channels are those of the whole tensors; channels and inputs those of a group. The weights' panels hold, for tap after tap, the inputs.
// Axes: height, width. A group's input begins at channel group * inputs, its result at channel group * channels, of the pointers given.
__kernel void conv(TENSOR(const float, x), TENSOR(const float, weights), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, y),
                   const int batch, const int groups, const int inputs, const int channels, const int x_channels, const int y_channels,
                   const int2 in, const int2 out, const int2 kernel_size, const int2 stride, const int2 dilation, const int2 pad,
                   const int flags, ACTIVATION_ARGS) {
    BIND_CONST(float, x);
    BIND_CONST(float, weights);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, y);
    const int first = get_global_id(0) * 8, panel = get_global_id(1), image = get_global_id(2) / groups, group = get_global_id(2) % groups;
    const int pixels = out.s0 * out.s1, plane = in.s0 * in.s1;
    const int panels = (channels + CHANNELS - 1) / CHANNELS;
    if (first >= pixels || panel >= panels || image >= batch) return;
    const int count = min(8, pixels - first);

    // Neighbours behind the last repeat it, and are not stored.
    const int8 pixel = min((int8)(first) + (int8)(0, 1, 2, 3, 4, 5, 6, 7), (int8)(pixels - 1));
    const int8 out_row = pixel / out.s1;
    const int8 row0 = out_row * stride.s0 - pad.s0, column0 = (pixel - out_row * out.s1) * stride.s1 - pad.s1;
    x += ((long)image * x_channels + (long)group * inputs) * plane;
    __global const float* w = weights + ((long)group * panels + panel) * kernel_size.s0 * kernel_size.s1 * inputs * CHANNELS;
    float8 sum[CHANNELS];
    float weight[CHANNELS];
#pragma unroll
    for (int r = 0; r < CHANNELS; r++) sum[r] = (float8)(0.0f);

    for (int kernel_row = 0; kernel_row < kernel_size.s0; kernel_row++) {
        const int8 row = row0 + kernel_row * dilation.s0;
        for (int kernel_column = 0; kernel_column < kernel_size.s1; kernel_column++) {
            const int8 column = column0 + kernel_column * dilation.s1;
            const int8 inside = row >= 0 && row < (int8)(in.s0) && column >= 0 && column < (int8)(in.s1);
            const int8 at = inside ? row * in.s1 + column : (int8)(0);
            __global const float* from = x;
            if (all(inside && at == (int8)(at.s0) + (int8)(0, 1, 2, 3, 4, 5, 6, 7))) {
                from += at.s0;
                for (int i = 0; i < inputs; i++, from += plane) {
                    const float8 value = vload8(0, from);
                    ACCUMULATE(value)
                }
            } else if (any(inside)) {
                for (int i = 0; i < inputs; i++, from += plane) {
                    const float8 near = (float8)(from[at.s0], from[at.s1], from[at.s2], from[at.s3], from[at.s4], from[at.s5], from[at.s6], from[at.s7]);
                    const float8 value = inside ? near : (float8)(0.0f);
                    ACCUMULATE(value)
                }
            } else {
                w += (long)inputs * CHANNELS;
            }
        }
    }

#pragma unroll
    for (int r = 0; r < CHANNELS; r++) {
        const int channel = panel * CHANNELS + r;
        if (channel >= channels) return;
        const int result = group * channels + channel;
        const long to = ((long)image * y_channels + result) * pixels + first;
        float8 value = sum[r];
        if (flags & HAS_BIAS) value += bias[result];
        if (flags & RESIDUAL_BEFORE) value += load_part(residual + to, count);
        value = ACTIVATE(float8, value);
        if (flags & RESIDUAL_AFTER) value += load_part(residual + to, count);
        store_part(value, y + to, count);
    }
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
