using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Torch's fused optimisers, which update all parameters of a group in one call, and optimisers that torch
/// lacks, in C#.</summary>
/// <remarks>
/// TorchSharp's optimisers create three or more <see cref="Scalar"/> objects for each parameter at every step and leave
/// them to the garbage collector. Each takes only a few bytes of native memory, but they lie between the activations,
/// so glibc cannot merge free memory across them. The heap of a resnet20 grew from 0.4 to 1.4 GB in 200 steps. The
/// fused kernels, which <c>torch.optim</c> calls with <c>fused=True</c>, take their options as numbers. TorchSharp has
/// no methods for them. A script calls them, and reads the gradients without an object for each.
/// </remarks>
internal abstract class GroupOptimizer : optim.Optimizer
{
    // A kernel requires an empty list for arguments that it does not use. TorchSharp cannot pass an empty list, so the
    // script creates it from a slice. The parser requires a newline after the last line.
    private static readonly Lazy<jit.CompilationUnit> s_script = new(() => jit.compile("""
        def sgd(parameters: List[Tensor], momentum_buffers: List[Tensor], lr: float, weight_decay: float,
                momentum: float, nesterov: bool) -> None:
            gradients = [parameter.grad for parameter in parameters]
            if momentum == 0.0:
                momentum_buffers = momentum_buffers[:0]
            torch._fused_sgd_(parameters, gradients, momentum_buffers, weight_decay=weight_decay, momentum=momentum,
                              lr=lr, dampening=0.0, nesterov=nesterov, maximize=False, is_first_step=False,
                              grad_scale=None, found_inf=None)

        def adam(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], step: Tensor, lr: float,
                 weight_decay: float, beta1: float, beta2: float, eps: float) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            torch._fused_adam_(parameters, gradients, exp_avgs, exp_avg_sqs, parameters[:0], [step for p in parameters],
                               lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False,
                               maximize=False, grad_scale=None, found_inf=None)

        def adamw(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], step: Tensor, lr: float,
                  weight_decay: float, beta1: float, beta2: float, eps: float) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            torch._fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, parameters[:0],
                                [step for p in parameters], lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False,
                                grad_scale=None, found_inf=None)

        """));

    private readonly Group[] _groups;

    private GroupOptimizer(IReadOnlyList<OptimizerGroup> groups) : base(0)
        => _groups = [.. groups.Select(group => new Group(group))];

    /// <inheritdoc/>
    public override IEnumerable<optim.ILearningRateController> ParamGroups => _groups;

    /// <summary>Sets the learning rate of every group.</summary>
    /// <param name="step">The step number, starting at 1.</param>
    /// <param name="learningRate">The learning rate of a group whose factor is 1.</param>
    public void SetLearningRate(long step, float learningRate)
    {
        foreach (Group group in _groups)
            group.LearningRate = (group.Context = group.Options.At(step, learningRate)).LearningRate;
    }

    /// <summary>The number of steps taken.</summary>
    public long Steps
    {
        set
        {
            using IDisposable noGrad = no_grad();
            foreach (Group group in _groups)
            {
                using Scalar steps = value;
                group.Step.fill_(steps);
            }
        }
    }

    /// <summary>Returns a state tensor of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="index">The index in the optimiser's list of state names.</param>
    public Tensor StateOf(Tensor parameter, int index)
    {
        Group group = Array.Find(_groups, group => Array.IndexOf(group.Parameters, parameter) >= 0)!;
        return group.State[index][Array.IndexOf(group.Parameters, parameter)];
    }

    /// <summary>Returns stochastic gradient descent, with or without momentum.</summary>
    public static GroupOptimizer Sgd(IReadOnlyList<OptimizerGroup> groups, double momentum, bool nesterov)
        => new FusedSgd(groups, momentum, nesterov);

    /// <summary>Returns Adam, which adds the weight decay to the gradient.</summary>
    public static GroupOptimizer Adam(IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
        => new FusedAdam("adam", groups, beta1, beta2, epsilon);

    /// <summary>Returns AdamW, which applies the weight decay separately from the gradient.</summary>
    public static GroupOptimizer AdamW(IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
        => new FusedAdam("adamw", groups, beta1, beta2, epsilon);

    /// <summary>Returns an optimiser that runs any update rule in C#, on the memory of the tensors.</summary>
    public static GroupOptimizer InCSharp(IReadOnlyList<OptimizerGroup> groups, Optimizer rule)
        => new Rule(groups, rule);

    /// <inheritdoc/>
    public override Tensor step(Func<Tensor>? closure = null)
    {
        using IDisposable noGrad = no_grad();
        foreach (Group group in _groups)
        {
            using Scalar rate = group.LearningRate;
            Move(group, rate);
        }
        return null!;       // without a closure there is no loss, as in TorchSharp's own
    }

    /// <summary>Updates the parameters of a group.</summary>
    protected abstract void Move(Group group, Scalar rate);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Array.ForEach(_groups, group => group.Dispose());
        base.Dispose(disposing);
    }

    private sealed class FusedSgd : GroupOptimizer
    {
        private readonly Scalar _momentum;
        private readonly bool _nesterov;

        public FusedSgd(IReadOnlyList<OptimizerGroup> groups, double momentum, bool nesterov) : base(groups)
        {
            (_momentum, _nesterov) = (momentum, nesterov);
            Array.ForEach(_groups, group => group.MakeState(momentum == 0 ? 0 : 1));
        }

        protected override void Move(Group group, Scalar rate) => s_script.Value.invoke(
            "sgd", group.Parameters, group.State.Length == 0 ? group.Parameters : group.State[0], rate,
                group.WeightDecay, _momentum, _nesterov);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _momentum.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class FusedAdam : GroupOptimizer
    {
        private readonly string _rule;
        private readonly Scalar _beta1, _beta2, _epsilon;

        public FusedAdam(string rule, IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
            : base(groups)
        {
            (_rule, _beta1, _beta2, _epsilon) = (rule, beta1, beta2, epsilon);
            Array.ForEach(_groups, group => group.MakeState(2));
        }

        protected override void Move(Group group, Scalar rate) => s_script.Value.invoke(
            _rule, group.Parameters, group.State[0], group.State[1], group.Step, rate, group.WeightDecay, _beta1,
                _beta2, _epsilon);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                Array.ForEach([_beta1, _beta2, _epsilon], option => option.Dispose());
            base.Dispose(disposing);
        }
    }

    private sealed class Rule : GroupOptimizer
    {
        private readonly Optimizer _rule;

        public Rule(IReadOnlyList<OptimizerGroup> groups, Optimizer rule) : base(groups)
        {
            _rule = rule;
            Array.ForEach(_groups, group => group.MakeStateInOne(rule.StateNames.Count));
        }

        public override Tensor step(Func<Tensor>? closure = null)
        {
            float[][]? before = _rule.MayThrow
                ? [.. _groups.SelectMany(group => group.Memory).Select(tensor => tensor.Floats().ToArray())]
                : null;
            try
            {
                return base.step(closure);
            }
            catch when (before is not null)
            {
                int next = 0;
                foreach (Tensor tensor in _groups.SelectMany(group => group.Memory))
                    before[next++].CopyTo(tensor.Floats());
                throw;
            }
        }

        protected override void Move(Group group, Scalar rate)
        {
            for (int i = 0; i < group.Parameters.Length; i++)
            {
                Parameter parameter = group.Names[i];
                int names = _rule.StateNames.Count;
                using Tensor gradient = group.Parameters[i].grad!, dense = gradient.contiguous();
                Span<float> state = names == 0 ? [] : group.StateInOne[i].Floats();
                try
                {
                    _rule.Move<float>(group.Context, parameter, dense.Floats(), group.Parameters[i].Floats(),
                        new StateSpans<float>(state, names));
                }
                catch (Exception error) when (FailurePlace.Note(error, $"{parameter.Name} ({_rule.GetType().Name})"))
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Parameters with the same options, and their state.</summary>
    protected sealed class Group(OptimizerGroup group) : optim.ILearningRateController, IDisposable
    {
        public Tensor[] Parameters { get; } = [.. group.Tensors];

        /// <summary>The parameters in the graph, in the order of the tensors.</summary>
        public IReadOnlyList<Parameter> Names => group.Parameters;

        public ParameterOptions Options => group.Options;

        /// <summary>For each state name, one tensor for each parameter.</summary>
        public Tensor[][] State { get; private set; } = [];

        /// <summary>The number of steps taken.</summary>
        public Tensor Step { get; } = zeros([], ScalarType.Float32, CPU).DetachFromDisposeScope();

        public Scalar WeightDecay { get; } = (double)group.Options.WeightDecay;

        public double LearningRate { get; set; }

        /// <summary>The context of the step, for a rule in C#.</summary>
        public UpdateContext Context { get; set; }

        public double InitialLearningRate { get; set; }

        public void MakeState(int names) => State = [.. Enumerable.Range(0, names)
            .Select(_ => Array.ConvertAll(Parameters, parameter => zeros_like(parameter).DetachFromDisposeScope()))];

        /// <summary>For each parameter, one tensor with all of its state, for a rule in C# that requires
        /// this.</summary>
        public Tensor[] StateInOne { get; private set; } = [];

        /// <summary>The values and the state, for a rule in C#.</summary>
        public IEnumerable<Tensor> Memory => Parameters.Concat(StateInOne);

        public void MakeStateInOne(int names)
        {
            StateInOne = Array.ConvertAll(Parameters, parameter
                => zeros([names, parameter.numel()], ScalarType.Float32, CPU).DetachFromDisposeScope());
            State = [.. Enumerable.Range(0, names).Select(name => StateInOne
                .Zip(Parameters, (all, parameter) => all.select(0, name).view(parameter.shape).DetachFromDisposeScope())
                .ToArray())];
        }

        public void Dispose()
        {
            foreach (Tensor state in State.SelectMany(tensors => tensors).Concat(StateInOne))
                state.Dispose();
            Step.Dispose();
            WeightDecay.Dispose();
        }
    }
}
