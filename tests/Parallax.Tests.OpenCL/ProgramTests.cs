using Parallax.OpenCL;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Programs and their cache.</summary>
public sealed class ProgramTests
{
    [ClFact]
    public void A_program_comes_from_the_cache_unless_that_is_damaged()
    {
        using var folder = new TemporaryFolder();
        var api = new FaultyApi();
        ClDevice device = api.Device;
        Assert.Equal(1, SourceBuilds());
        Assert.Equal(0, SourceBuilds());
        string file = Assert.Single(Directory.GetFiles(folder.Path));
        byte[] sound = File.ReadAllBytes(file);
        foreach (byte[] damaged in (byte[][])[[], sound[..31], sound[..(sound.Length / 2)], [.. sound, 1], Flipped(sound, sound.Length - 1), Flipped(sound, 0), new byte[5000]])
        {
            File.WriteAllBytes(file, damaged);
            Assert.Equal(1, SourceBuilds());
            Assert.Equal(0, SourceBuilds());
        }
        new ProgramCache(folder.Path).Write(Path.GetFileNameWithoutExtension(file), [1, 2, 3, 4]); // sound, but no program
        Assert.Equal(1, SourceBuilds());
        Assert.Equal(0, SourceBuilds());
        Assert.Single(Directory.GetFiles(folder.Path));

        int SourceBuilds()
        {
            api.Reset();
            using var context = new ClContext(device, ClSharing.Copied, cache: new ProgramCache(folder.Path));
            using var scaling = new Scaling(context, 1, 5);
            scaling.Run();
            scaling.AssertRight();
            return api.Calls.Count(c => c == "clCreateProgramWithSource");
        }
    }

    [ClFact]
    public void Programs_are_told_apart_by_device_options_and_source()
    {
        ClDevice device = ClDevice.All[0];
        string[] keys = [ProgramCache.KeyOf(device, "a", "b"), ProgramCache.KeyOf(device, "b", "b"), ProgramCache.KeyOf(device, "a", "a")];
        Assert.Distinct(keys);
        Assert.Equal(keys[0], ProgramCache.KeyOf(device, "a", "b"));
    }

    [ClFact]
    public void A_cache_that_cannot_be_written_is_no_error()
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "no folder");
        foreach (string? place in (string?[])[null, file])
        {
            using var context = new ClContext(ClDevice.All[0], ClSharing.Copied, cache: new ProgramCache(place));
            using var scaling = new Scaling(context, 1, 5);
            scaling.Run();
            scaling.AssertRight();
        }
    }

    [ClFact]
    public void What_does_not_compile_shows_the_compilers_words()
    {
        ClContext context = ClHarness.Contexts[0];
        DeviceException failure = Assert.Throws<DeviceException>(() => context.Program("elementwise", "-D__kernel=fish -DCLIP -DIN=float"));
        Assert.Contains("clBuildProgram failed with CL_BUILD_PROGRAM_FAILURE (-11)", failure.Message);
        Assert.Contains("elementwise.cl with", failure.Message);
        Assert.Contains("fish", failure.Message);
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        byte[] flipped = [.. bytes];
        flipped[at] ^= 1;
        return flipped;
    }
}
