//! Saved state that is damaged: it is refused by name, or reads as other state; nothing breaks.

use super::story::Story;
use super::system::{Mode, Saved, System};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tidemark_operators::cut::{AttributeValues, EntityStates, Texts, TimelineRows};

/// Some of a story, told and sealed; its rows and its state.
fn saved(story: &Story) -> (Vec<Vec<TimelineRows>>, Saved, u64) {
    let mut system = System::new(&story.plan, 1, Mode::ROWS);
    let told = story.arrivals.len() / 2;
    let clock = story.arrivals[..told].iter().map(|arrival| arrival.clock).max().unwrap();
    system.advance(clock);
    system.arrive(story, 0..told);
    let cut = story.least_to_come(told).min(clock + 1);
    system.seal(cut, u64::MAX);
    (system.rows_before(cut), system.save(cut, 10), cut)
}

fn restore(
    story: &Story,
    rows: &[Vec<TimelineRows>],
    saved: &Saved,
    cut: u64,
) -> Result<System, String> {
    System::restore((&story.plan, &story.plan), 1, Mode::ROWS, rows, (saved, cut), cut, u64::MAX)
}

/// Changes some bytes of a state in `slice`, if there is one; the identity it is of, and the id.
fn damage(slice: &mut EntityStates, rng: &mut SmallRng) -> Option<(String, Vec<u8>)> {
    let components: Vec<usize> = (0..slice.components.len())
        .filter(|at| slice.components[*at].states.iter().any(|state| !state.is_empty()))
        .collect();
    let component =
        &mut slice.components[*components.get(rng.random_range(0..components.len().max(1)))?];
    let places: Vec<usize> = (0..component.states.len())
        .filter(|place| component.states.get(*place).is_some_and(|state| !state.is_empty()))
        .collect();
    let place = places[rng.random_range(0..places.len())];
    let mut states: Vec<Vec<u8>> = component.states.iter().map(<[u8]>::to_vec).collect();
    let state = &mut states[place];
    match rng.random_range(0..4) {
        0 => state.truncate(rng.random_range(1..=state.len()) - 1),
        1 => state.extend([0xff; 12].iter().take(rng.random_range(1..12))),
        2 => state.fill(0xff),
        _ => {
            let at = rng.random_range(0..state.len());
            state[at] ^= 1 << rng.random_range(0..8);
        }
    }
    component.states = texts(&states);
    Some((component.identity.clone(), slice.ids.get(place)?.to_vec()))
}

fn texts(all: &[Vec<u8>]) -> Texts {
    let mut texts = Texts::default();
    all.iter().for_each(|text| assert!(texts.push(text).is_some()));
    texts
}

#[test]
fn damaged_state_is_refused_with_the_entity_and_the_component_that_it_is_of() {
    let (mut refused, mut read) = (0, 0);
    for seed in 0..6 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let story = Story::of_all_kinds(seed);
        let (rows, whole, cut) = saved(&story);
        assert!(restore(&story, &rows, &whole, cut).is_ok());
        for _ in 0..60 {
            let mut saved = whole.clone();
            let slices: Vec<&mut EntityStates> = saved.iter_mut().flatten().collect();
            let at = rng.random_range(0..slices.len());
            let slice = slices.into_iter().nth(at).unwrap();
            let Some((identity, id)) = damage(slice, &mut rng) else { continue };
            match restore(&story, &rows, &saved, cut) {
                Ok(_) => read += 1,
                Err(error) => {
                    refused += 1;
                    let id = String::from_utf8(id).unwrap();
                    assert!(error.contains(&identity) && error.contains(&id), "{error}");
                    assert!(error.contains("cannot load") && error.contains("older checkpoint"));
                }
            }
        }
    }
    assert!(refused > 100, "{refused} refused, {read} read as other state");
}

#[test]
fn state_of_another_cut_or_without_its_rows_is_refused() {
    let story = Story::of_all_kinds(1);
    let (rows, whole, cut) = saved(&story);
    let error = restore(&story, &rows, &whole, cut + 1).err().unwrap();
    assert!(error.contains("the cut of the snapshot"), "{error}");
    let nothing = vec![Vec::new(); rows.len()];
    let error = restore(&story, &nothing, &whole, cut).err().unwrap();
    assert!(error.contains("no row of the timeline has one of its values"), "{error}");
    let mut twice = whole.clone();
    twice.iter_mut().for_each(|slices| slices.extend_from_within(..));
    let error = restore(&story, &rows, &twice, cut).err().unwrap();
    assert!(error.contains("it comes twice"), "{error}");
}

#[test]
fn damaged_rows_are_refused_with_their_place() {
    let story = Story::of_all_kinds(2);
    let (rows, whole, cut) = saved(&story);
    let refused = |change: &dyn Fn(&mut TimelineRows), why: &str| {
        let mut rows = rows.clone();
        change(rows[0].iter_mut().find(|rows| rows.len() > 3).unwrap());
        let error = restore(&story, &rows, &whole, cut).err().unwrap();
        assert!(error.contains("cannot restore row ") && error.contains(why), "{error}");
    };
    refused(&|rows| rows.times[3] = 0, "it is older than the row before it");
    refused(&|rows| rows.entities[2] = 1_000_000, "not listed");
    refused(&|rows| rows.bits.truncate(1), "a column ends before it");
    refused(&|rows| rows.entities.truncate(1), "a column ends before it");
    let symbols = |change: fn(&mut Vec<u32>)| {
        move |rows: &mut TimelineRows| {
            for column in &mut rows.attributes {
                if let AttributeValues::Symbols { places, .. } = column {
                    change(places);
                }
            }
        }
    };
    refused(&symbols(|places| places.truncate(2)), "a column ends before it");
    refused(&symbols(|places| places.fill(77_777)), "not listed");
}

#[test]
fn many_values_of_an_entity_come_in_parts() {
    let story = Story::of_all_kinds(3);
    let (_, whole, _) = saved(&story);
    let alone = whole.iter().flatten().filter(|slice| slice.components.len() == 1);
    let parts: usize = alone.map(|slice| slice.ids.len()).sum();
    assert!(parts > 5, "{parts} parts");
}
