namespace Parallax.Kernels.Image;

/// <summary>A rectangle of samples, the end exclusive.</summary>
internal readonly record struct Jpeg2000Area(int X0, int Y0, int X1, int Y1)
{
    public int Width => Math.Max(0, X1 - X0);

    public int Height => Math.Max(0, Y1 - Y0);

    public bool IsEmpty => X1 <= X0 || Y1 <= Y0;

    public Jpeg2000Area Intersect(Jpeg2000Area other) => new(Math.Max(X0, other.X0), Math.Max(Y0, other.Y0), Math.Min(X1, other.X1), Math.Min(Y1, other.Y1));

    /// <summary>Every coordinate less <paramref name="offsetX"/>, <paramref name="offsetY"/>, over 2^<paramref name="bits"/>, rounded up.</summary>
    public Jpeg2000Area Shrink(int bits, long offsetX = 0, long offsetY = 0) => new(Up(X0 - offsetX, bits), Up(Y0 - offsetY, bits), Up(X1 - offsetX, bits), Up(Y1 - offsetY, bits));

    private static int Up(long value, int bits) => (int)((value + (1L << bits) - 1) >> bits);
}

/// <summary>One code block: where it lies in its subband, and what the packets brought for it.</summary>
internal sealed class Jpeg2000Block(Jpeg2000Area area)
{
    public readonly Jpeg2000Area Area = area;

    public bool IsIncluded;

    public int ZeroPlanes, Passes, LengthBits = 3;

    public readonly List<ReadOnlyMemory<byte>> Data = [];
}

internal sealed class Jpeg2000Subband
{
    /// <summary>Whether the band holds the high frequencies of rows, of columns.</summary>
    public bool IsHighX, IsHighY;

    public Jpeg2000Area Area;

    /// <summary>Bit planes that its samples may have.</summary>
    public int Planes;

    public float Step;
}

/// <summary>The blocks of one subband in one precinct, with the trees that tell when they begin and how many planes are empty.</summary>
internal sealed class Jpeg2000BandPart(Jpeg2000Subband band, Jpeg2000Block[] blocks, int across, int down)
{
    public readonly Jpeg2000Subband Band = band;
    public readonly Jpeg2000Block[] Blocks = blocks;
    public readonly Jpeg2000TagTree Inclusion = new(across, down), ZeroPlanes = new(across, down);
}

/// <summary>What one packet of each layer is about.</summary>
internal sealed record Jpeg2000Precinct(int Component, int Resolution, int Index, long X, long Y, Jpeg2000BandPart[] Parts);

/// <summary>One tile of a JPEG 2000 picture: its geometry (T.800, annex B), its packets, its samples.</summary>
internal sealed class Jpeg2000Tile
{
    // A hostile header could ask for one precinct or block a sample.
    private const int MaxParts = 1 << 20;

    private readonly Jpeg2000Header header;
    private readonly List<Jpeg2000Precinct> precincts = [];
    private readonly List<Jpeg2000Subband>[][] bands; // by component and resolution
    private long blockCount;

    public Jpeg2000Tile(Jpeg2000Header header, int column, int row)
    {
        this.header = header;
        int x = header.TileLeft + column * header.TileWidth, y = header.TileTop + row * header.TileHeight;
        var whole = new Jpeg2000Area(header.Left, header.Top, header.Left + header.Width, header.Top + header.Height);
        Area = new Jpeg2000Area(x, y, x + header.TileWidth, y + header.TileHeight).Intersect(whole);
        ComponentAreas = new Jpeg2000Area[header.Components.Length];
        bands = new List<Jpeg2000Subband>[header.Components.Length][];
        for (int c = 0; c < ComponentAreas.Length; c++)
        {
            (_, _, int stepX, int stepY) = header.Components[c];
            int Up(int value, int step) => (value + step - 1) / step;
            ComponentAreas[c] = new(Up(Area.X0, stepX), Up(Area.Y0, stepY), Up(Area.X1, stepX), Up(Area.Y1, stepY));
            if (ComponentAreas[c].IsEmpty) throw Fail($"component {c} has no sample in the tile at {Area.X0},{Area.Y0}");
            int levels = header.Coding[c].Levels;
            bands[c] = new List<Jpeg2000Subband>[levels + 1];
            for (int r = 0; r <= levels; r++) AddResolution(c, r, stepX, stepY);
        }
    }

    public Jpeg2000Area Area { get; }

    public Jpeg2000Area[] ComponentAreas { get; }

    private void AddResolution(int c, int r, int stepX, int stepY)
    {
        Jpeg2000Coding coding = header.Coding[c];
        int level = coding.Levels - r;
        Jpeg2000Area area = ComponentAreas[c].Shrink(level);
        bands[c][r] = [];
        foreach ((bool x, bool y) in r == 0 ? [(false, false)] : new[] { (true, false), (false, true), (true, true) })
            bands[c][r].Add(MakeBand(c, r, x, y));
        if (area.IsEmpty) return;
        (int px, int py) = coding.Precincts[r];
        int firstX = area.X0 >> px, firstY = area.Y0 >> py, across = ((area.X1 - 1) >> px) - firstX + 1, down = ((area.Y1 - 1) >> py) - firstY + 1;
        if ((long)across * down + precincts.Count > MaxParts) throw Fail("more precincts than are supported");
        for (int i = 0; i < across * down; i++)
        {
            int x = firstX + i % across, y = firstY + i / across;
            // Its place on the grid of the picture, which orders packets; a precinct cut off by the tile's edge counts from there.
            long placeX = Math.Max(Area.X0, ((long)x << (px + level)) * stepX), placeY = Math.Max(Area.Y0, ((long)y << (py + level)) * stepY);
            var parts = new List<Jpeg2000BandPart>();
            foreach (Jpeg2000Subband band in bands[c][r]) parts.Add(MakePart(band, coding, r, x, y));
            precincts.Add(new Jpeg2000Precinct(c, r, i, placeX, placeY, [.. parts]));
        }
    }

    private Jpeg2000Subband MakeBand(int c, int r, bool isHighX, bool isHighY)
    {
        Jpeg2000Coding coding = header.Coding[c];
        int level = r == 0 ? coding.Levels : coding.Levels - r + 1, gain = (isHighX ? 1 : 0) + (isHighY ? 1 : 0);
        long half = level == 0 ? 0 : 1L << (level - 1);
        int index = r == 0 ? 0 : 3 * (r - 1) + (isHighX ? isHighY ? 3 : 1 : 2);
        if (coding.Steps.Length <= (coding.StepsAreDerived ? 0 : index)) throw Fail($"subband {index} of component {c} has no quantizer");
        (int exponent, int mantissa) = coding.Steps[coding.StepsAreDerived ? 0 : index];
        if (coding.StepsAreDerived) exponent -= coding.Levels - level;
        int planes = coding.GuardBits + exponent - 1;
        if (planes is < 0 or > 30) throw Fail($"subband {index} of component {c} has {planes} bit planes");
        return new Jpeg2000Subband
        {
            IsHighX = isHighX,
            IsHighY = isHighY,
            Area = ComponentAreas[c].Shrink(level, isHighX ? half : 0, isHighY ? half : 0),
            Planes = planes,
            Step = coding.IsReversible ? 1 : MathF.ScaleB(1 + mantissa / 2048f, header.Components[c].Bits + gain - exponent),
        };
    }

    private Jpeg2000BandPart MakePart(Jpeg2000Subband band, Jpeg2000Coding coding, int r, int x, int y)
    {
        (int px, int py) = coding.Precincts[r];
        if (r > 0) (px, py) = (px - 1, py - 1);
        int cx = Math.Min(coding.BlockWidthBits, px), cy = Math.Min(coding.BlockHeightBits, py);
        Jpeg2000Area area = Cell(x, y, px, py).Intersect(band.Area);
        if (area.IsEmpty) return new Jpeg2000BandPart(band, [], 0, 0);
        int firstX = area.X0 >> cx, firstY = area.Y0 >> cy, across = ((area.X1 - 1) >> cx) - firstX + 1, down = ((area.Y1 - 1) >> cy) - firstY + 1;
        if ((blockCount += (long)across * down) > MaxParts) throw Fail("more code blocks than are supported");
        var blocks = new Jpeg2000Block[across * down];
        for (int i = 0; i < blocks.Length; i++) blocks[i] = new Jpeg2000Block(Cell(firstX + i % across, firstY + i / across, cx, cy).Intersect(area));
        return new Jpeg2000BandPart(band, blocks, across, down);
    }

    private static Jpeg2000Area Cell(int x, int y, int bitsX, int bitsY)
    {
        static int Edge(long cell, int bits) => (int)Math.Min(cell << bits, int.MaxValue);
        return new(Edge(x, bitsX), Edge(y, bitsY), Edge(x + 1L, bitsX), Edge(y + 1L, bitsY));
    }

    /// <summary>Reads the packets in the order of the progression. Data that end early leave the picture less sharp, as the format intends.</summary>
    public void ReadPackets(ReadOnlyMemory<byte> data)
    {
        var reader = new Jpeg2000PacketReader(data, header.HasPacketStarts, header.HasHeaderEnds);
        foreach ((Jpeg2000Precinct precinct, int layer) in PacketOrder())
        {
            if (reader.IsAtEnd) return;
            reader.Read(precinct, layer);
        }
    }

    private IEnumerable<(Jpeg2000Precinct Precinct, int Layer)> PacketOrder()
    {
        IEnumerable<int> layers = Enumerable.Range(0, header.Layers);
        return header.Progression switch
        {
            0 => from layer in layers from p in precincts.OrderBy(p => (p.Resolution, p.Component, p.Index)) select (p, layer),
            1 => from resolution in precincts.GroupBy(p => p.Resolution).OrderBy(g => g.Key)
                 from layer in layers
                 from p in resolution.OrderBy(p => (p.Component, p.Index))
                 select (p, layer),
            2 => from p in precincts.OrderBy(p => (p.Resolution, p.Y, p.X, p.Component, p.Index)) from layer in layers select (p, layer),
            3 => from p in precincts.OrderBy(p => (p.Y, p.X, p.Component, p.Resolution, p.Index)) from layer in layers select (p, layer),
            _ => from p in precincts.OrderBy(p => (p.Component, p.Y, p.X, p.Resolution, p.Index)) from layer in layers select (p, layer),
        };
    }

    /// <summary>The samples of every component, before the level shift.</summary>
    public float[][] Decode()
    {
        var planes = new float[ComponentAreas.Length][];
        for (int c = 0; c < planes.Length; c++) planes[c] = DecodeComponent(c);
        if (header.HasColourTransform) UndoColourTransform(planes);
        return planes;
    }

    private float[] DecodeComponent(int c)
    {
        Jpeg2000Coding coding = header.Coding[c];
        var samples = new Dictionary<Jpeg2000Subband, float[]>();
        foreach (List<Jpeg2000Subband> resolution in bands[c])
            foreach (Jpeg2000Subband band in resolution) samples[band] = new float[band.Area.Width * band.Area.Height];
        var decoder = new Jpeg2000BlockDecoder(coding.BlockStyle);
        foreach (Jpeg2000Precinct precinct in precincts)
            if (precinct.Component == c)
                foreach (Jpeg2000BandPart part in precinct.Parts)
                    foreach (Jpeg2000Block block in part.Blocks)
                        if (block.Passes > 0) decoder.Decode(block, part.Band, coding.IsReversible, samples[part.Band]);
        float[] picture = samples[bands[c][0][0]];
        for (int r = 1; r <= coding.Levels; r++)
        {
            Jpeg2000Area area = ComponentAreas[c].Shrink(coding.Levels - r), lower = ComponentAreas[c].Shrink(coding.Levels - r + 1);
            picture = Jpeg2000Wavelet.Inverse(area, lower, picture, bands[c][r], samples, coding.IsReversible);
        }
        return picture;
    }

    private void UndoColourTransform(float[][] planes)
    {
        if (planes.Length < 3 || planes[0].Length != planes[1].Length || planes[0].Length != planes[2].Length)
            throw Fail("a colour transform of components that do not match");
        bool isReversible = header.Coding[0].IsReversible;
        for (int i = 0; i < planes[0].Length; i++)
        {
            float y = planes[0][i], u = planes[1][i], v = planes[2][i];
            if (isReversible)
            {
                float green = y - MathF.Floor((u + v) * 0.25f);
                (planes[0][i], planes[1][i], planes[2][i]) = (v + green, green, u + green);
            }
            else (planes[0][i], planes[1][i], planes[2][i]) = (y + 1.402f * v, y - 0.344136f * u - 0.714136f * v, y + 1.772f * u);
        }
    }

    private static InvalidInputException Fail(string what) => new($"JPEG 2000 image: {what}");
}
