//! The macro that declares an operation.

/// Declares an operation of a service: what an operator may ask of the service while it runs. Linking the crate installs it.
///
/// `run` is an `async fn(P1, .. Pn) -> Result<R, Error>`. Its parameters implement
/// [`OperationParam`](crate::plugins::OperationParam), and `R` is `Serialize` and `JsonSchema`. [`operations`](crate::operations)
/// has an example.
///
/// The options come in any order, each at most once:
///
/// | option | value | default |
/// |---|---|---|
/// | `of` | a constant `ServiceId`; [`APP_SERVICE`](crate::APP_SERVICE) is the application itself | required |
/// | `name` | a string literal of `a` to `z`, `0` to `9` and `-`, up to 64 characters | required |
/// | `role` | `Read`, `Operate` or `Admin`: the lowest role that may call it | required |
/// | `effect` | `Reads`, `Changes` or `Destroys` | required |
/// | `about` | a string literal: what it does, in one sentence | required |
/// | `run` | the path of the function | required |
/// | `job` | `bool`: a call answers with the id of a job at once | `false` |
///
/// A start refuses two operations of one name of a service, a name with other characters, and an argument whose flag `appctl do`
/// has for itself ([`RESERVED_FLAGS`](crate::operations::RESERVED_FLAGS)).
#[macro_export]
macro_rules! operation {
    ($($options:tt)*) => {
        $crate::__operation! { [] [] [] [] [] [] [] $($options)* }
    };
}

/// Sorts the options of [`operation!`] into places of their own.
#[doc(hidden)]
#[macro_export]
macro_rules! __operation {
    // The comma after the last option.
    ($of:tt $name:tt $role:tt $effect:tt $about:tt $run:tt $job:tt ,) => {
        $crate::__operation! { $of $name $role $effect $about $run $job }
    };
    ([] $name:tt $role:tt $effect:tt $about:tt $run:tt $job:tt of: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__operation! { [$value] $name $role $effect $about $run $job $($($rest)*)? }
    };
    ($of:tt [] $role:tt $effect:tt $about:tt $run:tt $job:tt name: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of [$value] $role $effect $about $run $job $($($rest)*)? }
    };
    ($of:tt $name:tt [] $effect:tt $about:tt $run:tt $job:tt role: $value:ident $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of $name [$value] $effect $about $run $job $($($rest)*)? }
    };
    ($of:tt $name:tt $role:tt [] $about:tt $run:tt $job:tt effect: $value:ident $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of $name $role [$value] $about $run $job $($($rest)*)? }
    };
    ($of:tt $name:tt $role:tt $effect:tt [] $run:tt $job:tt about: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of $name $role $effect [$value] $run $job $($($rest)*)? }
    };
    ($of:tt $name:tt $role:tt $effect:tt $about:tt [] $job:tt run: $value:path $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of $name $role $effect $about [$value] $job $($($rest)*)? }
    };
    ($of:tt $name:tt $role:tt $effect:tt $about:tt $run:tt [] job: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__operation! { $of $name $role $effect $about $run [$value] $($($rest)*)? }
    };
    // All options are in their places.
    ([$of:expr] [$name:literal] [$role:ident] [$effect:ident] [$about:literal] [$run:path] [$($job:literal)?]) => {
        $crate::__private::inventory::submit! {
            $crate::plugins::Operation::of_checked(
                $of,
                ($name, $about),
                ($crate::operations::OperationRole::$role, $crate::operations::Effect::$effect),
                || $crate::__private::checked_operation($run),
                $crate::__origin!(),
            )
            $(.job($job))?
        }
    };
    ([] $name:tt $role:tt $effect:tt $about:tt $run:tt $job:tt) => {
        ::core::compile_error! { "operation!: the option `of` is missing; add `of: THE_ID_OF_THE_SERVICE`" }
    };
    ($of:tt [] $role:tt $effect:tt $about:tt $run:tt $job:tt) => {
        ::core::compile_error! { "operation!: the option `name` is missing; add `name: \"..\"`" }
    };
    ($of:tt $name:tt [] $effect:tt $about:tt $run:tt $job:tt) => {
        ::core::compile_error! { "operation!: the option `role` is missing; add `role: Read`, `Operate` or `Admin`" }
    };
    ($of:tt $name:tt $role:tt [] $about:tt $run:tt $job:tt) => {
        ::core::compile_error! { "operation!: the option `effect` is missing; add `effect: Reads`, `Changes` or `Destroys`" }
    };
    ($of:tt $name:tt $role:tt $effect:tt [] $run:tt $job:tt) => {
        ::core::compile_error! { "operation!: the option `about` is missing; add `about: \"what it does\"`" }
    };
    ($of:tt $name:tt $role:tt $effect:tt $about:tt [] $job:tt) => {
        ::core::compile_error! { "operation!: the option `run` is missing; add `run: path::of::the_function`" }
    };
    ($of:tt $name:tt $role:tt $effect:tt $about:tt $run:tt $job:tt $option:ident : $($rest:tt)*) => {
        ::core::compile_error! {
            ::core::concat!("operation!: the option `", ::core::stringify!($option), "` is unknown, is given twice, or has a value of another kind; the options are `of`, `name`, `role`, `effect`, `about`, `run` and `job`")
        }
    };
    ($of:tt $name:tt $role:tt $effect:tt $about:tt $run:tt $job:tt $($rest:tt)*) => {
        ::core::compile_error! {
            "operation!: expected `option: value`, with a comma between options; the options are `of`, `name`, `role`, `effect`, `about`, `run` and `job`"
        }
    };
}
