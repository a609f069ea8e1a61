//! The list of what a pickle may name. Nothing on it is run: a name stands for a shape that the machine knows to build.

use super::super::element::ElementType;
use super::{PickleError, Result};

/// Something that a pickle may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Global {
    /// Makes a dictionary, of pairs if there are any.
    Dict,
    /// `collections.defaultdict`: its first argument makes missing values.
    DefaultDict,
    /// Makes a list.
    List,
    /// Makes a tuple, as `torch.Size` does.
    Tuple,
    /// `torch._utils._rebuild_tensor`, `_v2` and `_v3`.
    Tensor,
    /// `torch._utils._rebuild_parameter`: the tensor is its first argument.
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2`: calls its first argument with the third.
    FromType,
    /// A kind of storage; none for bytes.
    Storage(Option<ElementType>),
    /// A type of elements.
    Element(ElementType),
    /// Harmless, and not needed for weights.
    Inert,
}

/// Modules whose classes are data in checkpoints of training frameworks: kept as values without content.
const INERT_MODULES: [&str; 8] =
    ["argparse", "pathlib", "datetime", "uuid", "enum", "omegaconf", "pytorch_lightning", "lightning"];

/// Names beside them.
const INERT_NAMES: [&str; 14] = [
    "_codecs.encode",
    "copyreg._reconstructor",
    "collections.deque",
    "collections.Counter",
    "torch.device",
    "torch.serialization._get_layout",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
];

/// Plain types of Python itself that weights do not need.
const INERT_BUILTINS: [&str; 11] =
    ["set", "frozenset", "int", "float", "str", "bool", "complex", "bytes", "bytearray", "slice", "object"];

/// Modules whose names are most likely the classes of a network saved whole, not an attack.
const OBJECT_MODULES: [&str; 7] = ["torch", "torchvision", "timm", "__main__", "models", "model", "monai"];

/// What `module.name` stands for.
pub fn resolve(module: &str, name: &str) -> Result<Global> {
    // Python 2 and 3 name the same modules differently.
    let module = match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        other => other,
    };
    let full = format!("{module}.{name}");
    let known = match (module, name) {
        ("collections", "OrderedDict") | ("builtins", "dict") => Some(Global::Dict),
        ("collections", "defaultdict") => Some(Global::DefaultDict),
        ("builtins", "list") => Some(Global::List),
        ("builtins", "tuple") | ("torch", "Size") => Some(Global::Tuple),
        ("builtins", _) if INERT_BUILTINS.contains(&name) => Some(Global::Inert),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => Some(Global::Tensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::Parameter),
        ("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Some(Global::FromType),
        ("torch" | "torch.storage", "UntypedStorage" | "_UntypedStorage" | "TypedStorage" | "_TypedStorage") => {
            Some(Global::Storage(None))
        }
        ("torch" | "torch.cuda" | "torch.storage", _) => ElementType::of_storage(name)
            .map(|element| Global::Storage(Some(element)))
            .or_else(|| ElementType::of_dtype(name).map(Global::Element)),
        _ => None,
    };
    if let Some(known) = known {
        return Ok(known);
    }
    let root = module.split('.').next().unwrap_or(module);
    if INERT_NAMES.contains(&full.as_str()) || module == "numpy.dtypes" || INERT_MODULES.contains(&root) {
        return Ok(Global::Inert);
    }
    // Classes have a capital; a function of the same module is a call that somebody put there.
    if OBJECT_MODULES.contains(&root) && name.trim_start_matches('_').starts_with(char::is_uppercase) {
        return Err(PickleError::PythonObject(full));
    }
    Err(PickleError::Dangerous(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_known() {
        assert_eq!(resolve("collections", "OrderedDict"), Ok(Global::Dict));
        assert_eq!(resolve("torch", "HalfStorage"), Ok(Global::Storage(Some(ElementType::Float16))));
        assert_eq!(resolve("torch.cuda", "FloatStorage"), Ok(Global::Storage(Some(ElementType::Float32))));
        assert_eq!(resolve("torch", "bfloat16"), Ok(Global::Element(ElementType::BFloat16)));
        for (module, name) in [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "getattr")]
        {
            assert!(matches!(resolve(module, name), Err(PickleError::Dangerous(_))), "{module}.{name}");
        }
        let resnet = resolve("torchvision.models.resnet", "ResNet");
        assert_eq!(resnet, Err(PickleError::PythonObject("torchvision.models.resnet.ResNet".into())));
        assert_eq!(resolve("torch.hub", "load"), Err(PickleError::Dangerous("torch.hub.load".into())));
        assert!(resolve("numpy", "load").is_err());
        assert!(resolve("lightningx", "run").is_err());
    }
}
