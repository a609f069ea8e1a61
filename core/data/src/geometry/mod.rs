//! Bringing images, masks and boxes to the network's size.
