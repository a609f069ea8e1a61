//! The services over tensors, with a host of a few lines.

use lightbox_plugin::{Layer, Services};
use tch::{Device as TorchDevice, Tensor};

use super::*;

/// Two logits: the sum of the first channel, and 0.
struct First;

impl Services for First {
    fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        assert_eq!((layer, shape), (1, &[2, 2, 1, 2][..]));
        for (row, scores) in activations.chunks_exact(4).zip(scores.chunks_exact_mut(2)) {
            scores.copy_from_slice(&[row[0] + row[1], 0.0]);
        }
        Ok(())
    }

    fn vjp(&self, at: At, _: &[f32], shape: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()> {
        assert_eq!((at, shape), (At::Input, &[2, 2, 1, 2][..]));
        for (cotangent, gradient) in cotangent.chunks_exact(2).zip(gradient.chunks_exact_mut(4)) {
            gradient.copy_from_slice(&[cotangent[0], cotangent[0], 0.0, 0.0]);
        }
        Ok(())
    }
}

#[test]
fn services_take_tensors_of_any_layout_and_give_tensors() {
    let host = Host::new(&First, 2);
    // [2,2,1,2] with strides of its own: rows 0, 2, 1, 3 and 4, 6, 5, 7.
    let values = Tensor::arange(8, (Kind::Double, TorchDevice::Cpu)).view([2, 2, 1, 2]).transpose(1, 3);
    let scores = host.forward_from_tensor(1, &values).unwrap();
    assert_eq!(scores, Tensor::from_slice2(&[[2.0_f32, 0.0], [10.0, 0.0]]));
    let cotangent = Tensor::from_slice2(&[[3.0_f32, 1.0], [-0.5, 1.0]]);
    let gradient = host.vjp_tensor(At::Input, &values, &cotangent).unwrap();
    assert_eq!(gradient.size(), [2, 2, 1, 2]);
    assert_eq!(Vec::<f32>::try_from(gradient.flatten(0, -1)).unwrap(), [3.0, 3.0, 0.0, 0.0, -0.5, -0.5, 0.0, 0.0]);
    let missing = host.forward_tensor(&values).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_test_of_a_plugin_gets_copies_of_its_own_tensors() {
    let values = [1.0, 2.0, 3.0, 4.0];
    let layer = Layer::new("layer", (1, 2), TensorView::new(&values, &[1, 2, 1, 2]), None);
    let request = Request::new(&[0], 2, [3, 8, 8], vec![layer]);
    let tensors = Tensors::of(&request).unwrap();
    let activations = tensors.activations(0).unwrap();
    assert_eq!(
        (activations.size(), Vec::<f32>::try_from(activations.flatten(0, -1)).unwrap()),
        (vec![1, 2, 1, 2], values.to_vec())
    );
    assert!(tensors.gradients(0).unwrap_err().message().contains("`gradients`"));
    assert_eq!(tensors.activations(1).unwrap_err().message(), "the request has no layer 1");
}

#[test]
fn a_result_fills_its_map() {
    let mut map = [0.0; 4];
    write(&mut map, &Tensor::arange(4, (Kind::Int64, TorchDevice::Cpu)).view([2, 2]).tr()).unwrap();
    assert_eq!(map, [0.0, 2.0, 1.0, 3.0]);
    assert!(write(&mut map, &Tensor::zeros([5], (Kind::Float, TorchDevice::Cpu))).is_err());
}
