//! The field GF(2^16) of the erasure code: polynomial x^16 + x^12 + x^3 + x + 1.
//!
//! Invariant: no table look-ups and no branches on data; everything here can be evaluated at compile time.

/// The field's polynomial without its top bit.
const POLYNOMIAL: u16 = 0x100B;

/// The product of two elements. Addition is exclusive or.
pub(super) const fn multiply(a: u16, b: u16) -> u16 {
    let mut product = 0;
    let mut power = a;
    let mut bit = 0;
    while bit < 16 {
        product ^= power & 0_u16.wrapping_sub((b >> bit) & 1);
        power = double(power);
        bit += 1;
    }
    product
}

/// The inverse of a non-zero element: its power 2^16 − 2. Zero gives zero.
pub(super) const fn invert(a: u16) -> u16 {
    let mut result = 1;
    let mut square = a;
    let mut bit = 1;
    while bit < 16 {
        square = multiply(square, square);
        result = multiply(result, square);
        bit += 1;
    }
    result
}

/// Adds `factor` times each element of `row` to `sum`. Sixteen lanes at once: the compiler makes vector instructions of it.
pub(super) fn add_scaled(sum: &mut [u16; 16], factor: u16, row: &[u16; 16]) {
    let mut power = factor;
    for bit in 0..16 {
        for (lane, element) in sum.iter_mut().zip(row) {
            *lane ^= power & 0_u16.wrapping_sub((element >> bit) & 1);
        }
        power = double(power);
    }
}

const fn double(a: u16) -> u16 {
    (a << 1) ^ (POLYNOMIAL & 0_u16.wrapping_sub(a >> 15))
}

#[cfg(test)]
mod tests {
    use super::{add_scaled, invert, multiply};

    #[test]
    fn inverses_and_units() {
        for a in (1..=u16::MAX).step_by(97) {
            assert_eq!(multiply(a, invert(a)), 1);
            assert_eq!(multiply(a, 1), a);
            assert_eq!(multiply(a, 0), 0);
        }
        assert_eq!(multiply(0x8000, 2), 0x100B);
    }

    #[test]
    fn lanes_agree_with_single_products() {
        let row = std::array::from_fn(|lane| 0x1234_u16.wrapping_mul(u16::try_from(lane).unwrap() + 1));
        let mut sum = [7; 16];
        add_scaled(&mut sum, 0xBEEF, &row);
        for (lane, element) in sum.iter().zip(row) {
            assert_eq!(*lane, 7 ^ multiply(0xBEEF, element));
        }
    }
}
