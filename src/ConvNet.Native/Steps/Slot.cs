using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The owner of a slot's memory.</summary>
internal enum SlotOwner
{
    /// <summary>The arena of a pass. Other slots may use the same memory before and after.</summary>
    Arena,

    /// <summary>The pass. The values persist between calls.</summary>
    Pass,

    /// <summary>Another object, which sets the pointer.</summary>
    Other,
}

/// <summary>A region of native memory that steps read and write. Its address is assigned once all steps are
/// known.</summary>
internal sealed unsafe class Slot
{
    private readonly long _offset;
    private float* _pointer;

    /// <summary>Initialises a slot of a given number of floats.</summary>
    public Slot(long floats, SlotOwner owner = SlotOwner.Arena) => (Floats, Owner) = (floats, owner);

    /// <summary>Initialises a slot for n samples of a tensor. The samples are contiguous, even if those of the tensor
    /// are not.</summary>
    public Slot(cn_tensor tensor, int n, SlotOwner owner = SlotOwner.Arena)
        : this(Convnet.cn_tensor_bytes(tensor with { sample_stride = 0 }, n).FloatsOrThrow(), owner)
        => Tensor = tensor with { sample_stride = 0 };

    private Slot(Slot whole, int channel, cn_tensor slice, int n)
        : this(Convnet.cn_tensor_bytes(slice with { sample_stride = 0 }, n).FloatsOrThrow(), whole.Owner)
    {
        (Whole, Tensor, Shared) = (whole, slice, whole.Shared);
        _offset = Convnet.cn_tensor_bytes(whole.Tensor with { c = 1, sample_stride = 0 }, 1).FloatsOrThrow()
            * (channel / Convnet.CN_BLOCK);
    }

    /// <summary>The slot that this slot is a slice of. Null if the slot has its own memory.</summary>
    public Slot? Whole { get; }

    /// <summary>The number of floats for a full batch.</summary>
    public long Floats { get; }

    /// <summary>The tensor descriptor. The default value if the slot does not hold a tensor.</summary>
    public cn_tensor Tensor { get; }

    /// <summary>The owner of the memory.</summary>
    public SlotOwner Owner { get; }

    /// <summary>Whether the slot is workspace, whose contents do not persist from one step to the next.</summary>
    public bool IsWorkspace { get; init; }

    /// <summary>Whether several readers use the slot as their gradient, so that no step may overwrite it.</summary>
    public bool Shared { get; set; }

    /// <summary>The address of the slot.</summary>
    public float* Pointer
    {
        get => Whole is null ? _pointer : Whole.Pointer + _offset;
        set => _pointer = value;
    }

    /// <summary>The slot that provides the memory: the slot itself, or the whole that it is a slice of.</summary>
    public Slot Memory => Whole is null ? this : Whole.Memory;

    /// <summary>Returns whether channels of a CN_BLOCKED tensor can form a slice. They must be whole blocks or the last
    /// channels.</summary>
    /// <param name="whole">The tensor.</param>
    /// <param name="channel">The first channel.</param>
    /// <param name="channels">The number of channels.</param>
    public static bool CanSlice(cn_tensor whole, int channel, int channels)
        => whole.layout == cn_layout.CN_BLOCKED && channel % Convnet.CN_BLOCK == 0
            && (channels % Convnet.CN_BLOCK == 0 || channel + channels == whole.c);

    /// <summary>Returns a slice of this slot. <see cref="CanSlice"/> must hold for its channels.</summary>
    /// <param name="channel">The first channel.</param>
    /// <param name="channels">The number of channels.</param>
    /// <param name="n">The number of samples in a full batch.</param>
    public Slot Slice(int channel, int channels, int n)
        => new(this, channel, SliceOf(Tensor, channels), n);

    /// <summary>Returns the tensor descriptor of a slice.</summary>
    /// <param name="whole">The tensor that it is a slice of.</param>
    /// <param name="channels">The channels of the slice.</param>
    public static cn_tensor SliceOf(cn_tensor whole, int channels) => whole with
    {
        c = channels,
        sample_stride = whole.sample_stride != 0 ? whole.sample_stride
            : Convnet.cn_tensor_bytes(whole, 1).SizeOrThrow(),
    };
}

/// <summary>Kernel arguments for optional slots.</summary>
internal static unsafe class OptionalSlot
{
    /// <summary>Returns the address of a slot, or null if there is no slot.</summary>
    public static float* Address(this Slot? slot) => slot is null ? null : slot.Pointer;

    /// <summary>Returns the number of bytes of a slot, or 0 if there is no slot.</summary>
    public static long Bytes(this Slot? slot) => slot is null ? 0 : sizeof(float) * slot.Floats;
}
