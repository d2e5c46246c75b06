using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// SwinV2-Tiny, image classification: pixel_values [batch, 3, 256, 256] to logits [batch, 1000]. Windows of 8 x 8 tokens, shifted by 4 in every second
/// block; cosine attention; position biases computed by a small network from fixed coordinates; normalization behind each residual branch.
/// </summary>
internal static class SwinV2Tiny
{
    private const int ImageSide = 256, Patch = 4, Window = 8, Tokens = Window * Window, FirstWidth = 96, BiasHidden = 512, Labels = 1000;

    private static readonly int[] Depths = [2, 2, 6, 2], Heads = [3, 6, 12, 24];

    public static ModelProto Build(ZooOptions options)
    {
        var net = new NetBuilder("swinv2-tiny", options.Seed);
        NetValue pixels = net.Input("pixel_values", DType.Float32, "batch", 3, ImageSide, ImageSide);
        int width = FirstWidth, side = ImageSide / Patch;
        NetValue x;
        using (net.Module("swinv2.embeddings"))
        {
            NetValue patches = pixels.Conv("patch_embeddings.projection", 3, width, Patch, Patch, pad: 0);
            x = patches.Reshape(patches.Size(0), width, -1).Transpose(0, 2, 1).LayerNorm("norm", width);
        }
        for (int stage = 0; stage < Depths.Length; stage++)
        {
            using IDisposable _ = net.Module($"swinv2.encoder.layers.{stage}");
            for (int i = 0; i < Depths[stage]; i++)
                x = new Block(width, Heads[stage], side, i % 2 == 1 && side > Window ? Window / 2 : 0).Apply($"blocks.{i}", x);
            if (stage == Depths.Length - 1) break;
            x = Merge(x, width, side);
            (width, side) = (width * 2, side / 2);
        }
        using (net.Module("swinv2")) x = x.LayerNorm("layernorm", width).Transpose(0, 2, 1).Apply("GlobalAveragePool").Apply("Flatten", new AttributeProto("axis", 1));
        net.Output("logits", x.Gemm("classifier", width, Labels), DType.Float32, "batch", Labels);
        return net.Build("SwinV2-Tiny with seeded weights");
    }

    /// <summary>Four neighbours become one token of twice the width.</summary>
    private static NetValue Merge(NetValue x, int width, int side)
    {
        using IDisposable _ = x.Net.Module("downsample");
        NetValue batch = x.Size(0), image = x.Reshape(batch, side, side, width);
        NetValue Part(int row, int column) => image.Slice(1, row, step: 2).Slice(2, column, step: 2);
        NetValue joined = x.Net.Concat(-1, Part(0, 0), Part(1, 0), Part(0, 1), Part(1, 1)).Reshape(batch, -1, 4 * width);
        return joined.Linear("reduction", 4 * width, 2 * width, bias: false).LayerNorm("norm", 2 * width);
    }

    /// <summary>Attention within windows, then a feed-forward network.</summary>
    /// <param name="Side">Tokens along each side of the image.</param>
    /// <param name="Shift">By how much the windows are moved; 0 for none.</param>
    private sealed record Block(int Width, int Heads, int Side, int Shift)
    {
        private int WindowsPerSide => Side / Window;

        private int HeadSize => Width / Heads;

        public NetValue Apply(string module, NetValue x)
        {
            using IDisposable _ = x.Net.Module(module);
            NetValue batch = x.Size(0);
            NetValue image = x.Reshape(batch, Side, Side, Width);
            if (Shift > 0) image = image.Roll(1, Shift).Roll(2, Shift);
            NetValue windows = image.Reshape(batch, WindowsPerSide, Window, WindowsPerSide, Window, Width).Transpose(0, 1, 3, 2, 4, 5).Reshape(-1, Tokens, Width);
            NetValue attended = Attend(windows, batch);
            image = attended.Reshape(batch, WindowsPerSide, WindowsPerSide, Window, Window, Width).Transpose(0, 1, 3, 2, 4, 5).Reshape(batch, Side, Side, Width);
            if (Shift > 0) image = image.Roll(1, Side - Shift).Roll(2, Side - Shift);
            x += image.Reshape(batch, Side * Side, Width).LayerNorm("layernorm_before", Width);
            NetValue hidden = x.Linear("intermediate.dense", Width, 4 * Width).Gelu("intermediate.intermediate_act_fn");
            return x + hidden.Linear("output.dense", 4 * Width, Width, gain: Layers.GeluGain).LayerNorm("layernorm_after", Width);
        }

        private NetValue Attend(NetValue windows, NetValue batch)
        {
            NetBuilder net = windows.Net;
            using IDisposable _ = net.Module("attention");
            NetValue mixed;
            using (net.Module("self"))
            {
                NetValue count = windows.Size(0);
                NetValue key = SplitHeads("key", bias: false), value = SplitHeads("value"), query = SplitHeads("query");
                NetValue scores = Normalize(query).MatMul(Normalize(key).Transpose(0, 1, 3, 2));
                NetValue scale = net.Weight("logit_scale", [Heads, 1, 1], 0.05f, mean: 2.3025851f);
                scores *= net.Node("Clip", [scale, null, net.Scalar(4.6051702f)]).Apply("Exp");
                scores += PositionBias(net).Unsqueeze(0);
                if (Shift > 0)
                {
                    NetValue mask = net.Constant(ShiftMask(), 1, WindowsPerSide * WindowsPerSide, 1, Tokens, Tokens);
                    scores = (scores.Reshape(batch, WindowsPerSide * WindowsPerSide, Heads, Tokens, Tokens) + mask).Reshape(-1, Heads, Tokens, Tokens);
                }
                mixed = scores.Softmax(-1).MatMul(value).Transpose(0, 2, 1, 3).Reshape(count, Tokens, Width);

                NetValue SplitHeads(string module, bool bias = true) =>
                    windows.Linear(module, Width, Width, bias).Reshape(count, -1, Heads, HeadSize).Transpose(0, 2, 1, 3);
            }
            return mixed.Linear("output.dense", Width, Width);
        }

        /// <summary>Vectors of length 1, as <c>torch.nn.functional.normalize</c> is exported.</summary>
        private static NetValue Normalize(NetValue x)
        {
            NetValue length = x.Net.Node("ReduceL2", [x], new("axes", (long[])[-1]), new("keepdims", 1));
            length = x.Net.Node("Clip", [length, x.Net.Scalar(1e-12f), null]);
            return x / x.Net.Node("Expand", [length, x.Apply("Shape")]);
        }

        /// <summary>A bias [heads, tokens, tokens] for each pair of positions in a window.</summary>
        private NetValue PositionBias(NetBuilder net)
        {
            NetValue table;
            using (net.Module("continuous_position_bias_mlp"))
                table = net.Constant(RelativeCoordinates(), 1, 2 * Window - 1, 2 * Window - 1, 2)
                    .Linear("0", 2, BiasHidden).Relu().Linear("2", BiasHidden, Heads, bias: false).Reshape(-1, Heads);
            NetValue bias = table.Gather(net.Constant(RelativeIndex(), Tokens * Tokens)).Reshape(Tokens, Tokens, -1).Transpose(2, 0, 1);
            return bias.Sigmoid() * 16;
        }

        /// <summary>Offsets between two tokens of a window, on a signed logarithmic scale.</summary>
        private static float[] RelativeCoordinates()
        {
            var coordinates = new List<float>();
            for (int row = 1 - Window; row < Window; row++)
                for (int column = 1 - Window; column < Window; column++) coordinates.AddRange(Scaled(row), Scaled(column));
            return [.. coordinates];

            static float Scaled(int offset) => (float)(Math.Sign(offset) * Math.Log2(Math.Abs(offset * 8.0 / (Window - 1)) + 1) / 3);
        }

        private static long[] RelativeIndex()
        {
            var index = new long[Tokens * Tokens];
            for (int i = 0; i < Tokens; i++)
                for (int j = 0; j < Tokens; j++)
                    index[i * Tokens + j] = (i / Window - j / Window + Window - 1) * (2 * Window - 1) + i % Window - j % Window + Window - 1;
            return index;
        }

        /// <summary>-100 between tokens that only the shift made neighbours: those of different parts of the image.</summary>
        private float[] ShiftMask()
        {
            int Part(int at) => at < Side - Window ? 0 : at < Side - Shift ? 1 : 2;
            var mask = new List<float>();
            for (int window = 0; window < WindowsPerSide * WindowsPerSide; window++)
            {
                int PartOf(int token) => 3 * Part(window / WindowsPerSide * Window + token / Window) + Part(window % WindowsPerSide * Window + token % Window);
                for (int i = 0; i < Tokens; i++)
                    for (int j = 0; j < Tokens; j++) mask.Add(PartOf(i) == PartOf(j) ? 0 : -100);
            }
            return [.. mask];
        }
    }
}
