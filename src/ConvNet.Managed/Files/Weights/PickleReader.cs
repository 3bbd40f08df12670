using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>Reads the pickle of a PyTorch checkpoint: tensors, numbers, texts, lists and dictionaries, and the names of
/// the types of other objects.</summary>
/// <remarks>A pickle is a program for a machine with a stack, which may call any function of Python. This machine calls
/// nothing: it knows what the few functions mean that <c>torch.save</c> uses for tensors. What any other would return
/// is a <see cref="PickledObject"/>, of which only the name of the function is known. It makes at most one object for
/// each byte, and has no recursion. Source: the opcodes of Python's <c>pickletools</c>, protocols 2 to 5, with the
/// texts of Python 2.</remarks>
internal sealed class PickleReader
{
    /// <summary>The most bytes of a pickle.</summary>
    public const int MostBytes = 100_000_000;

    private const int MostNameBytes = 1 << 16, MostDimensions = 64;

    private const string Dictionary = "collections.OrderedDict", OtherDictionary = "collections.defaultdict",
        Tensor = "torch._utils._rebuild_tensor_v2", OldTensor = "torch._utils._rebuild_tensor",
        TensorOfType = "torch._tensor._rebuild_from_type_v2", Parameter = "torch._utils._rebuild_parameter",
        StatefulParameter = "torch._utils._rebuild_parameter_with_state", Size = "torch.Size",
        Device = "torch.device";

    private const string StoragePrefix = "torch.", StorageSuffix = "Storage";

    private static readonly UTF8Encoding s_text =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _code;
    private readonly string _source;
    private readonly long _end;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<long, object?> _memo = [];
    private byte[] _bytes = new byte[256];

    /// <summary>Creates a reader.</summary>
    /// <param name="code">The pickle, at the position of the stream; it may have further bytes behind it.</param>
    /// <param name="source">The file, for error messages.</param>
    public PickleReader(Stream code, string source)
        => (_code, _source, _end) = (code, source, Math.Min(code.Length, code.Position + MostBytes));

    /// <summary>The storages that the pickle names, by their keys.</summary>
    public Dictionary<string, PickledStorage> Storages { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads the object. The stream is then behind the pickle.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged.</exception>
    public object? Read()
    {
        while (true)
        {
            byte opcode = Bytes(1)[0];
            if (opcode == (byte)'.')
                return Pop();
            Run(opcode);
        }
    }

    private void Run(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: Bytes(1); break;                                             // PROTO
            case 0x95: Bytes(8); break;                                             // FRAME
            case (byte)'(': _marks.Add(_stack.Count); break;                        // MARK
            case (byte)'}': Push(new PickledDictionary()); break;                   // EMPTY_DICT
            case (byte)']': Push(new List<object?>()); break;                       // EMPTY_LIST
            case (byte)')': Push(Array.Empty<object?>()); break;                    // EMPTY_TUPLE
            case 0x8f: Push(new PickledObject("set")); break;                       // EMPTY_SET
            case (byte)'N': Push(null); break;                                      // NONE
            case 0x88: Push(true); break;                                           // NEWTRUE
            case 0x89: Push(false); break;                                          // NEWFALSE
            case (byte)'K': Push((long)Bytes(1)[0]); break;                         // BININT1
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); break;   // BININT2
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4))); break;    // BININT
            case 0x8a: PushLong(Bytes(Bytes(1)[0])); break;                         // LONG1
            case 0x8b: PushLong(Bytes(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;   // LONG4
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8))); break;            // BINFLOAT
            case (byte)'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;   // BINUNICODE
            case 0x8c: Push(Text(Bytes(1)[0])); break;                              // SHORT_BINUNICODE
            case 0x8d: Push(Text(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); break;        // BINUNICODE8
            case (byte)'U': Push(Latin(Bytes(1)[0])); break;                        // SHORT_BINSTRING
            case (byte)'T': Push(Latin(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;  // BINSTRING
            case (byte)'C': PushBytes(Bytes(1)[0]); break;                          // SHORT_BINBYTES
            case (byte)'B': PushBytes(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))); break;    // BINBYTES
            case 0x8e: PushBytes(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8))); break;         // BINBYTES8
            case (byte)'c': Push(new PickledName($"{Line()}.{Line()}")); break;     // GLOBAL
            case 0x93: PushStackName(); break;                                      // STACK_GLOBAL
            case (byte)'q': _memo[Bytes(1)[0]] = Top(); break;                      // BINPUT
            case (byte)'r': _memo[BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))] = Top(); break; // LONG_BINPUT
            case 0x94: _memo[_memo.Count] = Top(); break;                           // MEMOIZE
            case (byte)'h': Push(Memo(Bytes(1)[0])); break;                         // BINGET
            case (byte)'j': Push(Memo(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;   // LONG_BINGET
            case (byte)'t': Push(FromMark()); break;                                // TUPLE
            case 0x85: Push(Pop(1)); break;                                         // TUPLE1
            case 0x86: Push(Pop(2)); break;                                         // TUPLE2
            case 0x87: Push(Pop(3)); break;                                         // TUPLE3
            case (byte)'a': Append([.. Pop(1)]); break;                             // APPEND
            case (byte)'e': Append(FromMark()); break;                              // APPENDS
            case (byte)'s': SetItems(Pop(2)); break;                                // SETITEM
            case (byte)'u': SetItems(FromMark()); break;                            // SETITEMS
            case 0x90: AddItems(FromMark()); break;                                 // ADDITEMS
            case 0x91: FromMark(); Push(new PickledObject("frozenset")); break;     // FROZENSET
            case (byte)'Q': Push(Persistent(Pop() as object?[])); break;                         // BINPERSID
            case (byte)'R': Reduce(); break;                                        // REDUCE
            case 0x81: Pop(1); New(); break;                                        // NEWOBJ
            case 0x92: Pop(2); New(); break;                                        // NEWOBJ_EX
            case (byte)'b': Build(); break;                                         // BUILD
            default:
                throw Error($"has the opcode 0x{opcode:x2}, which torch.save does not write. Save a dictionary of "
                    + "tensors alone: torch.save(model.state_dict(), file).");
        }
    }

    // A value for each of these functions, as torch.save uses them. No other is known, and none is called.
    private void Reduce()
    {
        object? arguments = Pop(), function = Pop();
        if (function is not (PickledName or PickledObject) || arguments is not object?[] values)
            throw Error("calls what is not a function.");
        Push((function as PickledName)?.Name switch
        {
            Dictionary => DictionaryOf(values),
            OtherDictionary => new PickledDictionary(),
            Tensor or OldTensor => TensorOf(values),
            TensorOfType when values is [PickledName { Name: Tensor }, _, object?[] inner, ..] => TensorOf(inner),
            Parameter or StatefulParameter when values is [PickledTensor tensor, ..] => tensor,
            Size when values is [object?[] sizes] => sizes,
            Device when values is [string device, ..] => device,
            Parameter or StatefulParameter or Size or Device => throw Error($"calls "
                + $"{((PickledName)function).Name} with arguments of another form than torch.save writes."),
            var name => new PickledObject(name ?? ((PickledObject)function).Type),
        });
    }

    // The pairs of an ordered dictionary, as Python 2 writes it.
    private PickledDictionary DictionaryOf(object?[] values)
    {
        var dictionary = new PickledDictionary();
        if (values is [List<object?> pairs])
        {
            foreach (object? pair in pairs)
            {
                dictionary.Entries.Add(pair is List<object?> and [var key, var value] ? (key, value)
                    : throw Error("has an ordered dictionary of what are not pairs."));
            }
        }
        return dictionary;
    }

    private void New()
    {
        if (Pop() is not PickledName { Name: var name })
            throw Error("makes an object of what is not a type.");
        Push(name == Dictionary ? new PickledDictionary() : new PickledObject(name));
    }

    private void PushBytes(ulong length)
    {
        Bytes(length);
        Push(new PickledObject("bytes"));
    }

    private PickledTensor TensorOf(object?[] values)
    {
        if (values is not [PickledStorage storage, long offset, object?[] sizes, object?[] strides, ..]
            || sizes.Length != strides.Length || sizes.Length > MostDimensions || offset < 0)
            throw Error("has a tensor of another form than torch.save writes.");
        return new PickledTensor(storage, offset,
            Array.ConvertAll(sizes, size => size is long and >= 0 and <= int.MaxValue ? (int)(long)size
                : throw Error("has a tensor whose sizes are not numbers.")),
            Array.ConvertAll(strides, stride => stride is long and >= 0 ? (long)stride
                : throw Error("has a tensor whose strides are not numbers.")));
    }

    private object Persistent(object?[]? id)
    {
        if (id is ["module", PickledName module, ..])
            return module;
        if (id is not ["storage", PickledName { Name: var type }, string key, string, long count, .. var rest]
            || count < 0 || !type.StartsWith(StoragePrefix, StringComparison.Ordinal)
            || !type.EndsWith(StorageSuffix, StringComparison.Ordinal))
            throw Error("has a reference that is no storage of a tensor.");
        if (rest is [not null, ..])
            throw Error("has a storage that is a part of another one, as PyTorch wrote before version 0.2. Save the "
                + "file again with a newer version.");
        var storage = new PickledStorage(type[StoragePrefix.Length..], key, count);
        if (Storages.TryGetValue(key, out PickledStorage? other) && other != storage)
            throw Error($"names the storage {Excerpt.Of(key)} in two forms.");
        Storages[key] = storage;
        return storage;
    }

    // The attributes of a dictionary, such as the versions of modules, say nothing about its tensors.
    private void Build()
    {
        Pop();
        if (Top() is not (PickledDictionary or PickledObject))
            throw Error("sets the state of something else than a dictionary.");
    }

    private void Append(object?[] items)
    {
        if (Top() is PickledObject)
            return;
        if (Top() is not List<object?> list)
            throw Error("appends to what is not a list.");
        list.AddRange(items);
    }

    private void AddItems(object?[] items)
    {
        if (Top() is not PickledObject)
            throw Error($"adds {items.Length} items to what is not a set.");
    }

    private void SetItems(object?[] items)
    {
        if (Top() is PickledObject)
            return;
        if (Top() is not PickledDictionary dictionary || items.Length % 2 != 0)
            throw Error("sets entries of what is not a dictionary.");
        for (int i = 0; i < items.Length; i += 2)
            dictionary.Entries.Add((items[i], items[i + 1]));
    }

    private void PushStackName()
    {
        if (Pop(2) is not [string module, string name])
            throw Error("names a function by what is not text.");
        Push(new PickledName($"{module}.{name}"));
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Top() => _stack.Count > Bottom ? _stack[^1] : throw Error("takes a value where there is none.");

    private object? Pop()
    {
        object? top = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private object?[] Pop(int count)
    {
        if (_stack.Count - Bottom < count)
            throw Error("takes a value where there is none.");
        object?[] values = [.. _stack[^count..]];
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private object?[] FromMark()
    {
        if (_marks.Count == 0)
            throw Error("has an end without a beginning.");
        int mark = Bottom;
        _marks.RemoveAt(_marks.Count - 1);
        object?[] values = [.. _stack[mark..]];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return values;
    }

    private int Bottom => _marks.Count == 0 ? 0 : _marks[^1];

    private object? Memo(long key) => _memo.TryGetValue(key, out object? value) ? value
        : throw Error(Invariant($"refers to an object {key} that it does not have."));

    private void PushLong(ReadOnlySpan<byte> bytes)
    {
        var value = new BigInteger(bytes);
        Push(value >= long.MinValue && value <= long.MaxValue ? (long)value : (object)value);
    }

    // A text of Python 2, which may be bytes as well.
    private string Latin(ulong length) => Encoding.Latin1.GetString(Bytes(length));

    private string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return s_text.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Error("has text that is not UTF-8.");
        }
    }

    private string Line()
    {
        var line = new List<byte>();
        for (byte next = Bytes(1)[0]; next != '\n'; next = Bytes(1)[0])
        {
            line.Add(next);
            if (line.Count > MostNameBytes)
                throw Error(Invariant($"has a name of more than {MostNameBytes:N0} bytes."));
        }
        return Text([.. line]);
    }

    private string Text(ulong length) => Text(Bytes(length));

    private ReadOnlySpan<byte> Bytes(ulong length)
    {
        if (length > (ulong)Math.Max(0, _end - _code.Position))
            throw Error(Invariant($"ends within a value of {length:N0} bytes."));
        if ((int)length > _bytes.Length)
            _bytes = new byte[length];
        Span<byte> bytes = _bytes.AsSpan(0, (int)length);
        _code.ReadExactly(bytes);
        return bytes;
    }

    private InvalidDataException Error(string what)
        => new(Invariant($"{_source}, byte {_code.Position:N0}: the pickle {what}"));
}
