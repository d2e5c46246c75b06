using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Parallax.Planning;

/// <summary>A value of a device profile, or nothing, where a member is missing. What is of another type than is asked for is refused by a <see cref="JsonException"/>.</summary>
/// <param name="path">The names of the members that lead to it, for messages.</param>
internal readonly struct ProfileValue(JsonElement json, string path)
{
    /// <summary>A member of an object; the last, where several have the name.</summary>
    internal ProfileValue this[string name] => new(json.TryGetProperty(name, out JsonElement member) ? member : default, path.Length == 0 ? name : $"{path}.{name}");

    /// <summary>Of an object.</summary>
    internal List<string> Names
    {
        get
        {
            var names = new List<string>();
            foreach (JsonProperty member in json.EnumerateObject()) names.Add(member.Name);
            return names;
        }
    }

    /// <summary>Null where null stands, or nothing.</summary>
    internal T? Object<T>(Func<ProfileValue, T> read) where T : class => json.ValueKind switch
    {
        JsonValueKind.Object => read(this),
        JsonValueKind.Undefined or JsonValueKind.Null => null,
        _ => throw Wrong("an object"),
    };

    /// <summary>Default where nothing stands.</summary>
    internal ImmutableArray<T> List<T>(Func<ProfileValue, T> read)
    {
        if (json.ValueKind == JsonValueKind.Undefined) return default;
        if (json.ValueKind != JsonValueKind.Array) throw Wrong("a list");
        if (json.GetArrayLength() == 0) return [];
        var items = new T[json.GetArrayLength()];
        int count = 0;
        foreach (JsonElement item in json.EnumerateArray()) items[count++] = read(new ProfileValue(item, path));
        return ImmutableCollectionsMarshal.AsImmutableArray(items);
    }

    /// <summary>Null where null stands, or nothing.</summary>
    internal string? Text() => json.ValueKind switch
    {
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Undefined or JsonValueKind.Null => null,
        _ => throw Wrong("a text"),
    };

    internal double Number(double missing = 0) => json.ValueKind switch
    {
        JsonValueKind.Undefined => missing,
        JsonValueKind.String => json.GetString() switch
        {
            "NaN" => double.NaN,
            "Infinity" => double.PositiveInfinity,
            "-Infinity" => double.NegativeInfinity,
            _ => throw Wrong("a number"),
        },
        _ => Digits(),
    };

    /// <summary>A number, not the name of one.</summary>
    internal double Digits() => json.ValueKind == JsonValueKind.Number ? json.GetDouble() : throw Wrong("a number");

    internal double? NumberOrNull() => json.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? null : Number();

    internal long Whole(long missing = 0)
    {
        if (json.ValueKind == JsonValueKind.Undefined) return missing;
        return json.ValueKind == JsonValueKind.Number && json.TryGetInt64(out long whole) ? whole : throw Wrong("a whole number");
    }

    internal int Count(int missing = 0) => Whole(missing) is >= int.MinValue and <= int.MaxValue and var count ? (int)count : throw Wrong("a smaller number");

    private JsonException Wrong(string expected) => new($"{(path.Length == 0 ? "the whole" : path)} must be {expected}, got {json.ValueKind}");
}
