//! Numbers of so many bits each, one behind the other.

/// Appends the lowest `width` bits of each value, which has no others; `width` is at most 64.
pub(super) fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0u64, 0u32);
    for value in values {
        // `filled` is below 64.
        word |= value << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            word = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    let bytes = word.to_le_bytes();
    out.extend(bytes.iter().take(filled.div_ceil(8) as usize));
}

/// How many bytes that many values take.
pub(super) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Hands out `count` values; `bytes` are as many as [`packed_bytes`] says.
pub(super) fn unpack(bytes: &[u8], width: u32, count: usize, mut out: impl FnMut(u64)) {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    });
    let (mut word, mut left) = (0u64, 0u32);
    for _ in 0..count {
        if left >= width {
            out(word & mask);
            word = if width == 64 { 0 } else { word >> width };
            left -= width;
            continue;
        }
        let next = words.next().unwrap_or(0);
        out((word | (next << left)) & mask);
        let used = width - left;
        word = if used == 64 { 0 } else { next >> used };
        left = 64 - used;
    }
}
