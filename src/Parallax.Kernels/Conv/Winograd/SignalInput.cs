using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>The input of a block of tiles of signals. First the elements of a channel are dealt out, so that the i-th elements of neighbouring tiles lie side by side.</summary>
internal sealed unsafe class SignalInput : WinogradInput
{
    private readonly SignalTiling tiling;
    private readonly int channels, channelStride, panelLanes, stagedLanes;
    private readonly delegate*<SignalInput, float*, int, float*, void> transform;

    private SignalInput(ConvProblem problem, SignalTiling tiling, GemmMicroKernel entry, delegate*<SignalInput, float*, int, float*, void> transform)
        : base(problem, tiling)
    {
        this.tiling = tiling;
        this.transform = transform;
        (channels, channelStride, panelLanes) = (problem.GroupInputs, problem.InputStride, entry.NR);
        // Vectors of padded lanes reach behind the last one.
        stagedLanes = (int)Vec.WholeLineElements(tiling.Lanes + tiling.Reach);
    }

    internal static SignalInput Create(ConvProblem problem, SignalTiling tiling, GemmMicroKernel entry) => new(problem, tiling, entry, entry.Width switch
    {
        VecWidth.V512 => &TransformStaged<Vec512>,
        VecWidth.V256 => &TransformStaged<Vec256>,
        VecWidth.V128 => &TransformStaged<Vec128>,
        _ => &TransformStaged<Vec1>,
    });

    internal override long ScratchElements => (long)tiling.Results * stagedLanes;

    internal override void Transform(float* source, int block, int first, int end, float* transformed, float* scratch)
    {
        int firstLane = block * tiling.Lanes, lanes = tiling.TilesOf(block), padded = tiling.ComputedLanesOf(block);
        int staged = Math.Min(lanes + tiling.Reach, tiling.TileCount - firstLane);
        // Lanes without a tile read what no signal has.
        new Span<float>(scratch, (int)ScratchElements).Clear();
        for (int channel = first; channel < end; channel++)
        {
            Stage(source + (nint)channel * channelStride, firstLane, staged, scratch);
            transform(this, scratch, padded, transformed + (nint)channel * panelLanes);
        }
    }

    /// <summary>Element m q + i of a padded signal comes to place i of lane q.</summary>
    private void Stage(float* plane, int firstLane, int lanes, float* staged)
    {
        int m = tiling.Results, length = (int)tiling.Axis.Input, padding = (int)tiling.Axis.PadBegin;
        for (int lane = 0; lane < lanes;)
        {
            (int signal, int first) = Math.DivRem(firstLane + lane, tiling.SignalLanes);
            int count = Math.Min(tiling.SignalLanes - first, lanes - lane);
            float* from = plane + (nint)signal * length;
            // Lanes whose elements all exist.
            int begin = Math.Clamp((padding + m - 1) / m - first, 0, count), end = Math.Clamp((length + padding) / m - first, begin, count);
            for (int i = 0; i < begin; i++) StageEdge(from, m * (first + i) - padding, staged + lane + i);
            PanelPacking.Copy(staged + lane + begin, stagedLanes, from + (m * (first + begin) - padding), end - begin, m, m, 1);
            for (int i = end; i < count; i++) StageEdge(from, m * (first + i) - padding, staged + lane + i);
            lane += count;
        }
    }

    private void StageEdge(float* signal, int place, float* staged)
    {
        for (int i = 0; i < tiling.Results; i++, place++)
            staged[i * stagedLanes] = (uint)place < (uint)tiling.Axis.Input ? signal[place] : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformStaged<V>(SignalInput self, float* staged, int lanes, float* to) where V : struct, IVec<V>
    {
        int m = self.tiling.Results, panelLanes = self.panelLanes;
        nint matrix = self.MatrixStride, panel = (nint)self.channels * panelLanes;
        nint* places = stackalloc nint[SignalTransform.Tile];
        for (int i = 0; i < SignalTransform.Tile; i++) places[i] = i % m * self.stagedLanes + i / m;
        for (int lane = 0; lane < lanes; lane += V.Count, staged += V.Count)
        {
            V d0 = V.Load(staged), d1 = V.Load(staged + places[1]), d2 = V.Load(staged + places[2]), d3 = V.Load(staged + places[3]);
            V d4 = V.Load(staged + places[4]), d5 = V.Load(staged + places[5]), d6 = V.Load(staged + places[6]), d7 = V.Load(staged + places[7]);
            SignalTransform.Input(ref d0, ref d1, ref d2, ref d3, ref d4, ref d5, ref d6, ref d7);
            float* place = to + lane / panelLanes * panel + lane % panelLanes;
            WinogradRows.Store6(place, matrix, d0, d1, d2, d3, d4, d5);
            V.Store(place + 6 * matrix, d6);
            V.Store(place + 7 * matrix, d7);
        }
    }
}
