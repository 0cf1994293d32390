"""What a reader of a comparison has to know, a sentence for each term."""

DEFINITIONS = (
    ("return", "The sum of rewards of one episode, averaged over the lanes that play the same task."),
    ("stage", "A point of an adaptation curve: a number of gradient steps, or an episode of a memory's trial."),
    ("steps seen", "Environment steps spent on the task before a stage; on this axis all agents compare."),
    (
        "first stage, after",
        "Before any gradient step, or the first episode of an agent with memory, in which it adapts already; and the last"
        " stage, never the best of a run.",
    ),
    (
        "95% interval",
        "Of the mean over seeds and tasks, which are both drawn from something larger: another training, other tasks. With one"
        " seed it is over tasks alone and does not know how trainings differ. Tasks that are the same count once; with a single"
        " task there is no interval. Where a family has no other tasks than these, it is over their trials.",
    ),
    ("gain", "After minus first stage, the same seeds on the same tasks."),
    (
        "verdict",
        "Better or worse only if both agents have three seeds and the p (Holm) of the same row is below 0.05, so that any false"
        " verdict in the whole table has a chance of at most 5%; else no difference is shown, which does not mean that there is"
        " none. The interval beside it is of its own pair, and may leave out 0 where the verdict does not.",
    ),
    ("P(improvement)", "How often a training of one agent does better on a task than one of the other, ties by half."),
    ("p (Holm)", "The two-sided p-value of the difference, raised for the number of pairs (Holm 1979)."),
    (
        "area",
        "Area under the adaptation curve as a share of what the reference would have from the first step, up to the last step"
        " that any agent but a baseline sees; 0 is random. A stage counts from its first step until the next stage begins.",
    ),
    (
        "steps to 90%",
        "Experience until the first stage whose mean is that far of the way from random actions to the reference: before it for"
        " an agent that learns by gradients, to the end of that episode for one with memory.",
    ),
    (
        "training steps to target",
        "Environment steps of training until the return after adaptation has the target and keeps it.",
    ),
    ("test − train, ood − test", "What is lost on tasks that were not trained on, and on tasks outside the range of training."),
    ("shift sweep", "The same agent on the same tasks with one quantity moved, inside and outside its range in training."),
    ("performance profile", "The share of all seeds and tasks whose return after adaptation lies above a value."),
    ("FLOP", "Floating-point operations of adapting to one task, and of one action, as torch counts them."),
    (
        "baselines",
        "random acts by chance; scratch adapts from an untrained policy; pretrain learns all training tasks together and is"
        " then fine-tuned by the same inner loop, which is transfer learning; conditioned is an agent that is told the task, a"
        " practical upper bound.",
    ),
    (
        "reference agents",
        "Classical controllers and exact optima: what the field's own solutions reach on the same tasks, where the family has"
        " any. They need no training, so their numbers carry no mark for few seeds.",
    ),
)
