using System.Threading.Channels;

namespace ConvNet.Serve.Runs;

/// <summary>The runs of a page, and those who are told when one of them has changed.</summary>
internal sealed class RunBoard(IReadOnlyList<WatchedRun> runs)
{
    private readonly Lock _lock = new();
    private readonly List<Channel<bool>> _listeners = [];
    private bool _isComplete;

    /// <summary>The runs.</summary>
    public IReadOnlyList<WatchedRun> Runs => runs;

    /// <summary>Creates a channel that receives a signal after changes and is completed when there will be no more. It
    /// holds one signal, which stands for all changes since the listener last read what there is: a listener that is
    /// slow misses states, but never the last one, and nobody waits for it.</summary>
    public Channel<bool> Listen()
    {
        var channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
        {
            FullMode = BoundedChannelFullMode.DropWrite,
        });
        lock (_lock)
        {
            channel.Writer.TryWrite(true);
            if (_isComplete)
                channel.Writer.Complete();
            else
                _listeners.Add(channel);
        }
        return channel;
    }

    /// <summary>Forgets a listener.</summary>
    public void Remove(Channel<bool> listener)
    {
        lock (_lock)
            _listeners.Remove(listener);
    }

    /// <summary>Tells all listeners that something has changed.</summary>
    public void Changed()
    {
        lock (_lock)
        {
            foreach (Channel<bool> listener in _listeners)
                listener.Writer.TryWrite(true);
        }
    }

    /// <summary>Tells all listeners that nothing will change any more.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _isComplete = true;
            foreach (Channel<bool> listener in _listeners)
            {
                listener.Writer.TryWrite(true);
                listener.Writer.Complete();
            }
            _listeners.Clear();
        }
    }
}
