using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Parallax.Planning;
using Xunit;

namespace Parallax.Tests.Planning;

/// <summary>Profiles are written by the serializer and read by hand: both must take the same text for the same profile.</summary>
public class ProfileTests
{
    private static readonly LatencyPredictor Predictor = new(OpClass.Dense, 20, 3, 1L << 40, ["tiled", "narrow"], 0.5, Floats(1.5f), Floats(-3e-7f), [.. Enumerable.Repeat(0.25, WorkAmounts.Count)], [.. Enumerable.Repeat(0.5, 2 * WorkAmounts.Count)],
        new BoostedTrees([0, 3], [new TreeNode(2, 0.1f, 1), new TreeNode(-1, 1, 0), new TreeNode(-1, -1, 0), new TreeNode(-1, 7, 0)]), new PredictorAccuracy(85, 17, 0.1, 0.2, 0.3));

    private static readonly TunedWorkGroup WorkGroup = new("gemm_8x48", 256, 16, 4096, 1, 8, 2, 12.5, 10);

    private static readonly DeviceProfile Profile = new("this \"machine\", ½", 2, CostModel.Default with { Predictors = [Predictor], Rates = Rates }, [
        new AcceleratorModel("whole", 50, 1e9, double.PositiveInfinity, 1e10, 3, 1L << 50, 0.1, [Predictor], new SyncCosts(20, 3, 5, 1e-9, 0.7), 4, 5e9, [WorkGroup, WorkGroup with { GridZ = 1 }]) { Device = "a toy" },
        new AcceleratorModel("bare", 50, 1e9, 1e10),
    ]);

    private static ImmutableSortedDictionary<OpClass, ClassRate> Rates => ImmutableSortedDictionary<OpClass, ClassRate>.Empty
        .Add(OpClass.Dense, new ClassRate(1e9, 0.5, [1, 1.9])).Add(OpClass.Softmax, new ClassRate(1e8, 0.9));

    private static ImmutableArray<float> Floats(float value) => [.. Enumerable.Repeat(value, LatencyFeatures.Count)];

    [Fact]
    public void What_is_written_is_read()
    {
        string json = Profile.ToJson();
        Assert.Equal(json, DeviceProfile.FromJson(json).ToJson());
    }

    [Fact]
    public void Tuned_work_groups_are_read_and_a_profile_without_them_has_none()
    {
        Assert.Equal((TunedWorkGroup[])[WorkGroup, WorkGroup with { GridZ = 1 }], DeviceProfile.FromJson(Profile.ToJson()).Accelerator("whole", "a toy")!.WorkGroups);
        string bare = new DeviceProfile("any", 1, CostModel.Default, [new AcceleratorModel("bare", 50, 1e9, 1e10)]).ToJson(), without = bare.Replace("\"workGroups\": []", "\"other\": []");
        Assert.NotEqual(bare, without);
        Assert.Empty(Assert.Single(DeviceProfile.FromJson(without).Accelerators).WorkGroups);
    }

    [Fact]
    public void Tuned_work_groups_that_are_none_are_refused_in_one_line()
    {
        Refused("no kernel", WorkGroup with { Kernel = null! });
        Refused("gemm_8x48 is for 256 x 17 x 4096 items, which are no powers of 16", WorkGroup with { GridY = 17 });
        Refused("no powers of 16", WorkGroup with { GridX = 0 });
        Refused("no powers of 16", WorkGroup with { GridX = long.MaxValue });
        Refused("gemm_8x48 has 1 x 12 x 2 items, which are no powers of two", WorkGroup with { Y = 12 });
        Refused("no powers of two", WorkGroup with { Z = 0 });
        Refused("times that are none", WorkGroup with { TunedUs = 0 });
        Refused("times that are none", WorkGroup with { RuleUs = double.PositiveInfinity });
        Refused("is there twice for 256 x 16 x 4096 items", WorkGroup, WorkGroup with { X = 4 });

        static void Refused(string why, params TunedWorkGroup[] table)
        {
            string json = new DeviceProfile("any", 1, CostModel.Default, [new AcceleratorModel("toy", 50, 1e9, 1e10, WorkGroups: [.. table])]).ToJson();
            string message = Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(json)).Message;
            Assert.StartsWith("not a usable device profile: toy: ", message);
            Assert.Contains(why, message);
            Assert.DoesNotContain('\n', message);
        }
    }

    [Fact]
    public void Grids_are_classed_by_powers_of_16()
    {
        Assert.Equal(new GridClass(1, 1, 16), GridClass.Of(0, 1, 2));
        Assert.Equal(new GridClass(16, 256, 4096), GridClass.Of(16, 17, 257));
        Assert.Equal(1L << 32, GridClass.Of(int.MaxValue, 1, 1).X);
        Assert.Equal(1.25, WorkGroup.Speedup);
    }

    [Fact]
    public void A_profile_that_is_cut_off_anywhere_is_refused_in_one_line()
    {
        string json = Profile.ToJson();
        for (int length = 0; length < json.Length; length++)
        {
            var error = Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(json[..length]));
            Assert.StartsWith("not a device profile: ", error.Message);
            Assert.DoesNotContain('\n', error.Message);
        }
        Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(json + "}"));
    }

    [Fact]
    public void Values_of_other_types_are_taken_and_refused_as_the_serializer_does()
    {
        byte[] json = Encoding.UTF8.GetBytes(Profile.ToJson());
        int refused = 0;
        foreach ((int start, int end) in Values(json))
            foreach (string value in (string[])["null", "true", "\"text\"", "\"NaN\"", "\"-Infinity\"", "\"Dense\"", "7", "-1", "1.5", "1e30", "9e999", "[]", "[7]", "[null]", "{}", "{\"x\":1}"])
                refused += Compare($"{Encoding.UTF8.GetString(json, 0, start)}{value}{Encoding.UTF8.GetString(json, end, json.Length - end)}");
        Assert.InRange(refused, 1000, int.MaxValue);
    }

    [Fact]
    public void Members_that_are_missing_or_unknown_are_taken_as_the_serializer_does_and_of_equal_ones_the_last_counts()
    {
        string json = Profile.ToJson();
        byte[] bytes = Encoding.UTF8.GetBytes(json);
        foreach ((int start, int end, int valueEnd) in Members(bytes))
        {
            string before = Part(0, start), name = Part(start, end), member = Part(start, valueEnd), after = Part(valueEnd, bytes.Length);
            Compare($"{before}\"unknown{member[1..]}{after}");
            Compare($"{before}\"unknown\": [{{\"x\": [1, null]}}], {member}{after}");
            foreach (string value in (string[])["7", "null", "[]", "{}"])
            {
                Compare($"{before}{member}, {name}: {value}{after}");
                Assert.Equal(json, DeviceProfile.FromJson($"{before}{name}: {value}, {member}{after}").ToJson());
            }
        }

        string Part(int start, int end) => Encoding.UTF8.GetString(bytes, start, end - start);
    }

    /// <returns>1 where both refuse, else 0.</returns>
    private static int Compare(string json)
    {
        (string? taken, _) = Try(() => DeviceProfile.Checked(JsonSerializer.Deserialize(json, PlanningJson.Default.DeviceProfile) is { Version: DeviceProfile.CurrentVersion } known ? known : null));
        (string? read, string? error) = Try(() => DeviceProfile.FromJson(json));
        // The serializer knows classes of operators by numbers too, and makes one up where there is none: nothing that is ever written.
        bool isOfNoClass = error is not null && (error.Contains("kind must be") || error.Contains("class of operators"));
        Assert.True(taken == read || isOfNoClass, $"the serializer takes {taken ?? "nothing"}, we take {read ?? error}, of {json}");
        Assert.DoesNotContain('\n', error ?? "");
        return taken is null ? 1 : 0;

        static (string? Json, string? Error) Try(Func<DeviceProfile> read)
        {
            try
            {
                return (read().ToJson(), null);
            }
            catch (Exception e) when (e is JsonException or ParallaxException)
            {
                return (null, e.Message);
            }
        }
    }

    /// <summary>Where the values begin and end, those inside of others too.</summary>
    private static List<(int Start, int End)> Values(byte[] json)
    {
        var values = new List<(int, int)>();
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.EndObject or JsonTokenType.EndArray) continue;
            Utf8JsonReader whole = reader;
            whole.Skip();
            values.Add(((int)reader.TokenStartIndex, (int)whole.BytesConsumed));
        }
        return values;
    }

    /// <summary>Where the members begin, where their names end, and their values.</summary>
    private static List<(int Start, int NameEnd, int ValueEnd)> Members(byte[] json)
    {
        var members = new List<(int, int, int)>();
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            int start = (int)reader.TokenStartIndex, nameEnd = start + reader.ValueSpan.Length + 2;
            Utf8JsonReader whole = reader;
            whole.Skip();
            members.Add((start, nameEnd, (int)whole.BytesConsumed));
        }
        return members;
    }
}
