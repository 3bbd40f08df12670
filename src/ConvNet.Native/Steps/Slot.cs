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
    private readonly long _offset;
    private float* _pointer;

    /// <summary>Makes a slot of raw floats.</summary>
    public Slot(long floats, SlotOwner owner = SlotOwner.Arena) => (Floats, Owner) = (floats, owner);

    /// <summary>Makes a slot for a tensor of n samples, which lie end to end even if those of the tensor do
    /// not.</summary>
    public Slot(cn_tensor tensor, int n, SlotOwner owner = SlotOwner.Arena)
        : this(Convnet.cn_tensor_floats(tensor with { sample_stride = 0 }, n).SizeOrThrow(), owner)
        => Tensor = tensor with { sample_stride = 0 };

    private Slot(Slot whole, int channel, cn_tensor slice, int n)
        : this(Convnet.cn_tensor_floats(slice with { sample_stride = 0 }, n).SizeOrThrow(), whole.Owner)
    {
        (Whole, Tensor, Shared) = (whole, slice, whole.Shared);
        _offset = Convnet.cn_tensor_floats(whole.Tensor with { c = 1, sample_stride = 0 }, 1).SizeOrThrow()
            * (channel / Convnet.CN_BLOCK);
    }

    /// <summary>The slot that this one is a slice of; null if it has memory of its own.</summary>
    public Slot? Whole { get; }

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
    public float* Pointer
    {
        get => Whole is null ? _pointer : Whole.Pointer + _offset;
        set => _pointer = value;
    }

    /// <summary>The slot whose memory it uses: itself, unless it is a slice.</summary>
    public Slot Memory => Whole is null ? this : Whole.Memory;

    /// <summary>Whether channels of a CN_BLOCKED tensor can be a slice: they are whole blocks, or the last
    /// ones.</summary>
    /// <param name="whole">The tensor.</param>
    /// <param name="channel">The first channel.</param>
    /// <param name="channels">The number of channels.</param>
    public static bool CanSlice(cn_tensor whole, int channel, int channels)
        => whole.layout == cn_layout.CN_BLOCKED && channel % Convnet.CN_BLOCK == 0
            && (channels % Convnet.CN_BLOCK == 0 || channel + channels == whole.c);

    /// <summary>The channels from one on, for which <see cref="CanSlice"/> holds, in the memory of this slot.</summary>
    /// <param name="channel">The first channel.</param>
    /// <param name="channels">The number of channels.</param>
    /// <param name="n">Samples in a full batch.</param>
    public Slot Slice(int channel, int channels, int n)
        => new(this, channel, SliceOf(Tensor, channels), n);

    /// <summary>The tensor of a slice.</summary>
    /// <param name="whole">The tensor that it is a slice of.</param>
    /// <param name="channels">The channels of the slice.</param>
    public static cn_tensor SliceOf(cn_tensor whole, int channels) => whole with
    {
        c = channels,
        sample_stride = whole.sample_stride != 0 ? whole.sample_stride
            : Convnet.cn_tensor_floats(whole, 1).SizeOrThrow(),
    };
}

/// <summary>What a kernel gets for a slot that need not be there.</summary>
internal static unsafe class OptionalSlot
{
    /// <summary>Where it lies; null where it is not.</summary>
    public static float* Address(this Slot? slot) => slot is null ? null : slot.Pointer;

    /// <summary>Its floats; 0 where it is not.</summary>
    public static long Length(this Slot? slot) => slot is null ? 0 : slot.Floats;
}
