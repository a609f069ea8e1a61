//! Eigen smoothing: the first principal component of a method's terms in place of their sum.

use crate::plugin::{AttributionMetadata, ParameterKind, ParameterValue, ParameterValues};

/// The parameter by which a method offers it.
const PARAMETER: &str = "eigen-smooth";

/// The values with eigen smoothing on, where the method offers it; unchanged elsewhere. Smoothing belongs inside a method,
/// between its terms and their sum, so that methods without such a sum do not have it.
pub fn with_eigen_smoothing(method: &AttributionMetadata, mut values: ParameterValues) -> ParameterValues {
    let offers = |kind: &ParameterKind| matches!(kind, ParameterKind::Bool { .. });
    if method.parameters.iter().any(|row| row.name == PARAMETER && offers(&row.kind)) {
        values.retain(|(name, _)| name != PARAMETER);
        values.push((PARAMETER.to_owned(), ParameterValue::Bool(true)));
    }
    values
}
