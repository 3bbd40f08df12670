using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>Who owns the memory of a slot.</summary>
internal enum SlotOwner
{
    /// <summary>The arena of a pass; others use the place before and after.</summary>
    Arena,

    /// <summary>The pass; the values last from call to call.</summary>
    Pass,

    /// <summary>Somebody else, who sets the pointer.</summary>
    Other,
}

/// <summary>A piece of native memory that steps read and write; it gets its place when all steps are known.</summary>
internal sealed unsafe class Slot
{
    /// <summary>Makes a slot of raw floats.</summary>
    public Slot(long floats, SlotOwner owner = SlotOwner.Arena) => (Floats, Owner) = (floats, owner);

    /// <summary>Makes a slot for a tensor of n samples.</summary>
    public Slot(cn_tensor tensor, int n, SlotOwner owner = SlotOwner.Arena)
        : this(Convnet.cn_tensor_floats(tensor, n).SizeOrThrow(), owner) => Tensor = tensor;

    /// <summary>Floats for a full batch.</summary>
    public long Floats { get; }

    /// <summary>How the values lie; the default where it is no tensor.</summary>
    public cn_tensor Tensor { get; }

    /// <summary>Who owns the memory.</summary>
    public SlotOwner Owner { get; }

    /// <summary>Whether it holds nothing from one step to the next.</summary>
    public bool IsWorkspace { get; init; }

    /// <summary>Whether several readers use it as a gradient of theirs, so that none may write to it.</summary>
    public bool Shared { get; set; }

    /// <summary>Where it lies.</summary>
    public float* Pointer { get; set; }
}

/// <summary>What a kernel gets for a slot that need not be there.</summary>
internal static unsafe class OptionalSlot
{
    /// <summary>Where it lies; null where it is not.</summary>
    public static float* Address(this Slot? slot) => slot is null ? null : slot.Pointer;

    /// <summary>Its floats; 0 where it is not.</summary>
    public static long Length(this Slot? slot) => slot is null ? 0 : slot.Floats;
}
