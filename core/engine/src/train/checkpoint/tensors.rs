//! Named tensors as a safetensors file: written one tensor at a time, read back with every length checked.

use std::collections::BTreeMap;
use std::io::{self, Write};

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// The dtypes that a network's variables or an optimizer's state can have.
const DTYPES: [(Kind, &str, Dtype); 8] = [
    (Kind::Float, "F32", Dtype::F32),
    (Kind::Double, "F64", Dtype::F64),
    (Kind::Half, "F16", Dtype::F16),
    (Kind::BFloat16, "BF16", Dtype::BF16),
    (Kind::Int64, "I64", Dtype::I64),
    (Kind::Int, "I32", Dtype::I32),
    (Kind::Uint8, "U8", Dtype::U8),
    (Kind::Bool, "BOOL", Dtype::BOOL),
];

/// Writes tensors in their order. The file is row-major, whatever the memory format.
pub(super) fn write(out: &mut impl Write, tensors: &[(String, Tensor)]) -> io::Result<()> {
    let mut header = serde_json::Map::new();
    let mut offset = 0_usize;
    for (name, tensor) in tensors {
        let (_, dtype, _) = DTYPES
            .into_iter()
            .find(|(kind, ..)| *kind == tensor.kind())
            .ok_or_else(|| io::Error::other(format!("{name} has the type {:?}, which no file keeps", tensor.kind())))?;
        let bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
        let entry = json!({ "dtype": dtype, "shape": tensor.size(), "data_offsets": [offset, offset + bytes] });
        header.insert(name.clone(), entry);
        offset += bytes;
    }
    let mut header = serde_json::to_vec(&Value::Object(header))?;
    // The data begins at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut bytes = Vec::new();
    for (_, tensor) in tensors {
        let rows = tensor.f_to_device(Device::Cpu).and_then(|t| t.f_contiguous()).map_err(io::Error::other)?;
        bytes.resize(rows.numel() * rows.kind().elt_size_in_bytes(), 0);
        rows.f_copy_data_u8(&mut bytes, rows.numel()).map_err(io::Error::other)?;
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads the tensors of a file.
///
/// # Errors
/// A sentence on what is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("it is not a safetensors file ({e})"))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let (kind, ..) = DTYPES
            .into_iter()
            .find(|(.., dtype)| *dtype == view.dtype())
            .ok_or_else(|| format!("{name} has the type {:?}", view.dtype()))?;
        let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
        let tensor =
            Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|e| format!("{name} cannot be read ({e})"))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_from_any_memory_format() {
        let weight = Tensor::randn([4, 3, 2, 2], (Kind::Float, Device::Cpu));
        let turned = crate::torch::to_channels_last(&weight).unwrap();
        let scalar = Tensor::from(7_i64);
        let mut bytes = Vec::new();
        write(&mut bytes, &[("a.weight".into(), turned), ("count".into(), scalar)]).unwrap();
        let read = read(&bytes).unwrap();
        assert!(read["a.weight"].equal(&weight));
        assert_eq!(i64::try_from(&read["count"]).unwrap(), 7);
        assert_eq!(read["count"].size(), [0_i64; 0]);
    }
}
