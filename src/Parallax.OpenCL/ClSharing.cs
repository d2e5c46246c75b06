namespace Parallax.OpenCL;

/// <summary>How the host and a device see one memory, best first.</summary>
public enum ClSharing
{
    /// <summary>Fine-grained shared virtual memory with atomics: no copies, and the end of a command list is seen in a flag that both sides see.</summary>
    FineGrainedAtomics,

    /// <summary>Fine-grained shared virtual memory: no copies; the end of a command list is an event.</summary>
    FineGrained,

    /// <summary>Memory of the device's own: what crosses is copied, by commands in the same list; its end is an event. Every device can do this.</summary>
    Copied,
}

/// <summary>What a device says of shared virtual memory.</summary>
[Flags]
public enum ClSvmCapabilities
{
    None = 0,
    CoarseGrainBuffer = 1,
    FineGrainBuffer = 2,
    FineGrainSystem = 4,
    Atomics = 8,
}

public enum ClDeviceKind
{
    Cpu,
    Gpu,
    Accelerator,
    Other,
}
