using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>Reads the pickle of a PyTorch checkpoint: tensors, numbers, texts, lists and dictionaries.</summary>
/// <remarks>A pickle is a program for a machine with a stack, which may call any function of Python. This machine calls
/// nothing: it knows what the few functions mean that <c>torch.save</c> uses for tensors, and refuses all others by
/// name. It makes at most one object for each byte, and has no recursion. Source: the opcodes of Python's
/// <c>pickletools</c>, protocols 2 to 5.</remarks>
internal sealed class PickleReader
{
    private const string Dictionary = "collections.OrderedDict", Tensor = "torch._utils._rebuild_tensor_v2",
        Parameter = "torch._utils._rebuild_parameter", Size = "torch.Size", Device = "torch.device";

    private const string StoragePrefix = "torch.", StorageSuffix = "Storage";

    private const int MostDimensions = 64;

    private static readonly UTF8Encoding s_text =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _code;
    private readonly string _source;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _at;

    /// <summary>Creates a reader.</summary>
    /// <param name="code">The pickle.</param>
    /// <param name="source">The file, for error messages.</param>
    public PickleReader(byte[] code, string source) => (_code, _source) = (code, source);

    /// <summary>Reads the object.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged, or has something else than tensors, numbers,
    /// texts, lists and dictionaries; the message names it.</exception>
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
            case (byte)'N': Push(null); break;                                      // NONE
            case 0x88: Push(true); break;                                           // NEWTRUE
            case 0x89: Push(false); break;                                          // NEWFALSE
            case (byte)'K': Push((long)Bytes(1)[0]); break;                         // BININT1
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); break;   // BININT2
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4))); break;    // BININT
            case 0x8a: Push(Long(Bytes(Bytes(1)[0]))); break;                       // LONG1
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8))); break;            // BINFLOAT
            case (byte)'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;   // BINUNICODE
            case 0x8c: Push(Text(Bytes(1)[0])); break;                              // SHORT_BINUNICODE
            case 0x8d: Push(Text(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); break;        // BINUNICODE8
            case (byte)'c': PushName(Line(), Line()); break;                        // GLOBAL
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
            case (byte)'Q': Push(Persistent(Pop())); break;                         // BINPERSID
            case (byte)'R': Reduce(); break;                                        // REDUCE
            case (byte)'b': Build(); break;                                         // BUILD
            default:
                throw Error($"has the opcode 0x{opcode:x2}, which no file of tensors needs. Save a dictionary of "
                    + "tensors alone: torch.save(model.state_dict(), file).");
        }
    }

    // A value for each of these functions, as torch.save uses them.
    private void Reduce()
    {
        object? arguments = Pop(), function = Pop();
        if (function is not PickledName { Name: var name } || arguments is not object?[] values)
            throw Error("calls what is not a function.");
        Push(name switch
        {
            Dictionary when values.Length == 0 => new PickledDictionary(),
            Tensor => TensorOf(values),
            Parameter when values is [PickledTensor tensor, ..] => tensor,
            Size when values is [object?[] sizes] => sizes,
            Device when values is [string device, ..] => device,
            _ => throw Error($"calls {Excerpt.Of(name)} with arguments of another form than torch.save writes."),
        });
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

    private PickledStorage Persistent(object? id)
        => id is object?[] and ["storage", PickledName { Name: var type }, string key, string, long count, ..]
            && count >= 0 && type.EndsWith(StorageSuffix, StringComparison.Ordinal)
            ? new PickledStorage(type[StoragePrefix.Length..], key, count)
            : throw Error("has a reference that is no storage of a tensor.");

    // The attributes of a dictionary, such as the versions of modules, say nothing about its tensors.
    private void Build()
    {
        Pop();
        if (Top() is not PickledDictionary)
            throw Error("sets the state of something else than a dictionary.");
    }

    private void Append(object?[] items)
    {
        if (Top() is not List<object?> list)
            throw Error("appends to what is not a list.");
        list.AddRange(items);
    }

    private void SetItems(object?[] items)
    {
        if (Top() is not PickledDictionary dictionary || items.Length % 2 != 0)
            throw Error("sets entries of what is not a dictionary.");
        for (int i = 0; i < items.Length; i += 2)
            dictionary.Entries.Add((items[i], items[i + 1]));
    }

    private void PushStackName()
    {
        if (Pop(2) is not [string module, string name])
            throw Error("names a function by what is not text.");
        PushName(module, name);
    }

    private void PushName(string module, string name)
    {
        string full = $"{module}.{name}";
        bool isStorage = module == "torch" && name.EndsWith(StorageSuffix, StringComparison.Ordinal);
        if (!isStorage && full is not (Dictionary or Tensor or Parameter or Size or Device))
            throw Error($"names {Excerpt.Of(full)}, which is no part of a tensor. Files are read without running code; "
                + "save a dictionary of tensors alone: torch.save(model.state_dict(), file).");
        Push(new PickledName(full));
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

    private long Long(ReadOnlySpan<byte> bytes)
    {
        var value = new BigInteger(bytes);
        return value >= long.MinValue && value <= long.MaxValue ? (long)value : throw Error("has a number that is too "
            + "large.");
    }

    private string Text(ulong length)
    {
        try
        {
            return s_text.GetString(Bytes(length));
        }
        catch (DecoderFallbackException)
        {
            throw Error("has text that is not UTF-8.");
        }
    }

    private string Line()
    {
        int length = _code.AsSpan(_at).IndexOf((byte)'\n');
        if (length < 0)
            throw Error("ends within a name.");
        string line = Text((ulong)length);
        _at++;
        return line;
    }

    private ReadOnlySpan<byte> Bytes(ulong length)
    {
        if (length > (ulong)(_code.Length - _at))
            throw Error(Invariant($"ends within a value of {length:N0} bytes."));
        ReadOnlySpan<byte> bytes = _code.AsSpan(_at, (int)length);
        _at += (int)length;
        return bytes;
    }

    private InvalidDataException Error(string what) => new(Invariant($"{_source}, byte {_at:N0}: the pickle {what}"));
}
