using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Torch's optimisers, which update all parameters of a group in one call, and optimisers that torch lacks, in
/// C#.</summary>
/// <remarks>
/// TorchSharp's optimisers create three or more <see cref="Scalar"/> objects for each parameter at every step and leave
/// them to the garbage collector. Each takes only a few bytes of native memory, but they lie between the activations,
/// so glibc cannot merge free memory across them. The heap of a resnet20 grew from 0.4 to 1.4 GB in 200 steps. The
/// fused kernels, which <c>torch.optim</c> calls with <c>fused=True</c>, take their options as numbers. TorchSharp has
/// no methods for them. A script calls them, and reads the gradients without an object for each. Optimisers without a
/// fused kernel call the same operations on lists of tensors as <c>torch.optim</c> with <c>foreach=True</c>.
/// </remarks>
internal abstract class GroupOptimizer : optim.Optimizer
{
    // A kernel requires an empty list for arguments that it does not use. TorchSharp cannot pass an empty list, so the
    // script creates it from a slice. The parser requires a newline after the last line.
    private static readonly Lazy<jit.CompilationUnit> s_script = new(() => jit.compile("""
        def sgd(parameters: List[Tensor], momentum_buffers: List[Tensor], lr: float, weight_decay: float,
                momentum: float, dampening: float, nesterov: bool, is_first_step: bool) -> None:
            gradients = [parameter.grad for parameter in parameters]
            if momentum == 0.0:
                momentum_buffers = momentum_buffers[:0]
            torch._fused_sgd_(parameters, gradients, momentum_buffers, weight_decay=weight_decay, momentum=momentum,
                              lr=lr, dampening=dampening, nesterov=nesterov, maximize=False,
                              is_first_step=is_first_step, grad_scale=None, found_inf=None)

        def adam(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor],
                 max_exp_avg_sqs: List[Tensor], step: Tensor, lr: float, weight_decay: float, beta1: float,
                 beta2: float, eps: float, amsgrad: bool) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            if not amsgrad:
                max_exp_avg_sqs = max_exp_avg_sqs[:0]
            torch._fused_adam_(parameters, gradients, exp_avgs, exp_avg_sqs, max_exp_avg_sqs,
                               [step for p in parameters], lr=lr, beta1=beta1, beta2=beta2,
                               weight_decay=weight_decay, eps=eps, amsgrad=amsgrad, maximize=False,
                               grad_scale=None, found_inf=None)

        def adamw(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor],
                  max_exp_avg_sqs: List[Tensor], step: Tensor, lr: float, weight_decay: float, beta1: float,
                  beta2: float, eps: float, amsgrad: bool) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            if not amsgrad:
                max_exp_avg_sqs = max_exp_avg_sqs[:0]
            torch._fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, max_exp_avg_sqs,
                                [step for p in parameters], lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=amsgrad, maximize=False,
                                grad_scale=None, found_inf=None)

        def decayed(parameters: List[Tensor], weight_decay: float) -> List[Tensor]:
            gradients = [parameter.grad for parameter in parameters]
            if weight_decay != 0.0:
                gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
            return gradients

        def nadam(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], gradient_rate: float,
                  mean_rate: float, keep: float, weight_decay: float, beta1: float, beta2: float,
                  bias_correction2: float, eps: float) -> None:
            if keep != 1.0:
                torch._foreach_mul_(parameters, keep)
            gradients = decayed(parameters, weight_decay)
            torch._foreach_lerp_(exp_avgs, gradients, 1.0 - beta1)
            torch._foreach_mul_(exp_avg_sqs, beta2)
            torch._foreach_addcmul_(exp_avg_sqs, gradients, gradients, 1.0 - beta2)
            divisors = torch._foreach_div(exp_avg_sqs, bias_correction2)
            torch._foreach_sqrt_(divisors)
            torch._foreach_add_(divisors, eps)
            torch._foreach_addcdiv_(parameters, gradients, divisors, -gradient_rate)
            torch._foreach_addcdiv_(parameters, exp_avgs, divisors, -mean_rate)

        def rmsprop(parameters: List[Tensor], square_avgs: List[Tensor], momentum_buffers: List[Tensor],
                    grad_avgs: List[Tensor], lr: float, weight_decay: float, alpha: float, eps: float,
                    momentum: float, centered: bool) -> None:
            gradients = decayed(parameters, weight_decay)
            torch._foreach_mul_(square_avgs, alpha)
            torch._foreach_addcmul_(square_avgs, gradients, gradients, 1.0 - alpha)
            if centered:
                torch._foreach_lerp_(grad_avgs, gradients, 1.0 - alpha)
                divisors = torch._foreach_addcmul(square_avgs, grad_avgs, grad_avgs, -1.0)
                torch._foreach_clamp_min_(divisors, 0.0)
                torch._foreach_sqrt_(divisors)
            else:
                divisors = torch._foreach_sqrt(square_avgs)
            torch._foreach_add_(divisors, eps)
            if momentum > 0.0:
                torch._foreach_mul_(momentum_buffers, momentum)
                torch._foreach_addcdiv_(momentum_buffers, gradients, divisors, 1.0)
                torch._foreach_add_(parameters, momentum_buffers, alpha=-lr)
            else:
                torch._foreach_addcdiv_(parameters, gradients, divisors, -lr)

        def adagrad(parameters: List[Tensor], sums: List[Tensor], lr: float, weight_decay: float, initial: float,
                    eps: float) -> None:
            gradients = decayed(parameters, weight_decay)
            torch._foreach_addcmul_(sums, gradients, gradients, 1.0)
            divisors = torch._foreach_add(sums, initial)
            torch._foreach_sqrt_(divisors)
            torch._foreach_add_(divisors, eps)
            torch._foreach_addcdiv_(parameters, gradients, divisors, -lr)

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
    public static GroupOptimizer Sgd(IReadOnlyList<OptimizerGroup> groups, Sgd rule)
        => new Scripted("sgd", groups, [rule.Momentum > 0 ? 0 : -1], group => [group.LearningRate,
            group.WeightDecay, (double)rule.Momentum, (double)rule.Dampening, rule.Nesterov, group.Context.Step == 1]);

    /// <summary>Returns Adam, which adds the weight decay to the gradient.</summary>
    public static GroupOptimizer Adam(IReadOnlyList<OptimizerGroup> groups, Adam rule)
        => new Scripted("adam", groups, [0, 1, rule.AmsGrad ? 2 : -1], group => [group.Step, group.LearningRate,
            group.WeightDecay, rule.Beta1, rule.Beta2, rule.Epsilon, rule.AmsGrad]);

    /// <summary>Returns AdamW, which applies the weight decay separately from the gradient.</summary>
    public static GroupOptimizer AdamW(IReadOnlyList<OptimizerGroup> groups, AdamW rule)
        => new Scripted("adamw", groups, [0, 1, rule.AmsGrad ? 2 : -1], group => [group.Step, group.LearningRate,
            group.WeightDecay, rule.Beta1, rule.Beta2, rule.Epsilon, rule.AmsGrad]);

    /// <summary>Returns Adam with Nesterov momentum.</summary>
    public static GroupOptimizer NAdam(IReadOnlyList<OptimizerGroup> groups, NAdam rule)
        => new Scripted("nadam", groups, [0, 1], group =>
        {
            (double ofGradient, double ofMean) = rule.Factors(group.Context);
            bool decoupled = rule.DecoupledWeightDecay;
            return [ofGradient, ofMean, decoupled ? DecoupledDecay.Factor(group.Context) : 1.0,
                decoupled ? 0.0 : group.WeightDecay, rule.Beta1, rule.Beta2,
                1 - Math.Pow(rule.Beta2, group.Context.Step), rule.Epsilon];
        });

    /// <summary>Returns RMSprop.</summary>
    public static GroupOptimizer RmsProp(IReadOnlyList<OptimizerGroup> groups, RmsProp rule)
    {
        int IndexOf(string state) => Enumerable.Range(0, rule.StateNames.Count)
            .FirstOrDefault(index => rule.StateNames[index] == state, -1);
        return new Scripted("rmsprop", groups, [0, IndexOf("momentum_buffer"), IndexOf("grad_avg")],
            group => [group.LearningRate, group.WeightDecay, rule.Smoothing, rule.Epsilon, (double)rule.Momentum,
                rule.Centered]);
    }

    /// <summary>Returns Adagrad.</summary>
    public static GroupOptimizer Adagrad(IReadOnlyList<OptimizerGroup> groups, Adagrad rule)
        => new Scripted("adagrad", groups, [0], group => [rule.RateAt(group.Context), group.WeightDecay,
            (double)rule.InitialAccumulator, rule.Epsilon]);

    /// <summary>Returns an optimiser that runs any update rule in C#, on the memory of the tensors.</summary>
    public static GroupOptimizer InCSharp(IReadOnlyList<OptimizerGroup> groups, Optimizer rule)
        => new Rule(groups, rule);

    /// <inheritdoc/>
    public override Tensor step(Func<Tensor>? closure = null)
    {
        using IDisposable noGrad = no_grad();
        foreach (Group group in _groups)
            Move(group);
        return null!;       // without a closure there is no loss, as in TorchSharp's own
    }

    /// <summary>Updates the parameters of a group.</summary>
    protected abstract void Move(Group group);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Array.ForEach(_groups, group => group.Dispose());
        base.Dispose(disposing);
    }

    /// <summary>Calls a function of the script with the parameters, their state, and further arguments.</summary>
    private sealed class Scripted : GroupOptimizer
    {
        private readonly string _function;
        private readonly Func<Group, object[]> _arguments;
        private readonly int[] _states;

        /// <summary>Creates the optimiser.</summary>
        /// <param name="function">The function.</param>
        /// <param name="groups">The groups of parameters.</param>
        /// <param name="states">For each list of state that the function takes, the index in the names of the state; -1
        /// for a list that it does not use.</param>
        /// <param name="arguments">The arguments after the lists: tensors, numbers and flags.</param>
        public Scripted(string function, IReadOnlyList<OptimizerGroup> groups, int[] states,
            Func<Group, object[]> arguments)
            : base(groups)
        {
            (_function, _states, _arguments) = (function, states, arguments);
            int names = states.Max() + 1;
            Array.ForEach(_groups, group => group.MakeState(names));
        }

        protected override void Move(Group group)
        {
            object[] arguments = _arguments(group);
            object[] numbers = [.. arguments.Select(argument => argument is double number ? (Scalar)number : argument)];
            try
            {
                s_script.Value.invoke(_function, [group.Parameters,
                    .. _states.Select(index => index < 0 ? group.Parameters : group.State[index]), .. numbers]);
            }
            finally
            {
                foreach (Scalar number in numbers.OfType<Scalar>())
                    number.Dispose();
            }
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

        protected override void Move(Group group)
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

        public double WeightDecay => group.Options.WeightDecay;

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
        }
    }
}
