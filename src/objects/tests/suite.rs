//! What holds for every kind of store.

use super::{Creation, ListedObject, NAME_BYTES_MAX, Objects};

/// `store` is empty.
pub fn keeps_what_every_store_keeps(store: &dyn Objects) {
    let names = |prefix| -> Vec<String> {
        store.list(prefix).unwrap().into_iter().map(|listed| listed.name).collect()
    };
    assert_eq!(names(""), Vec::<String>::new());
    assert_eq!(store.get("a/b").unwrap(), None);
    assert_eq!(store.get_range("a/b", 0, 9).unwrap(), None);
    store.delete("a/b").unwrap();

    assert_eq!(store.put_new("a/b", b"first").unwrap(), Creation::Created);
    assert_eq!(store.put_new("a/b", b"second").unwrap(), Creation::Exists);
    assert_eq!(store.put_new("a/b", b"first").unwrap(), Creation::Exists);
    assert_eq!(store.get("a/b").unwrap().unwrap(), b"first");
    store.put("a/b", b"0123456789").unwrap();
    store.put("a/empty", b"").unwrap();
    assert_eq!(store.get("a/b").unwrap().unwrap(), b"0123456789");
    assert_eq!(store.get("a/empty").unwrap().unwrap(), b"");
    for (from, to, expected) in [(0, 10, "0123456789"), (3, 5, "34"), (8, 99, "89"), (10, 12, "")] {
        let bytes = store.get_range("a/b", from, to).unwrap().unwrap();
        assert_eq!(bytes, expected.as_bytes(), "{from}..{to}");
    }
    assert_eq!(store.get_range("a/b", 99, 100).unwrap().unwrap(), b"");
    assert_eq!(store.get_range("a/b", 5, 5).unwrap().unwrap(), b"");

    for name in ["a/c", "a=1/b.c_d-E", "ab"] {
        assert_eq!(store.put_new(name, name.as_bytes()).unwrap(), Creation::Created);
    }
    assert_eq!(names(""), ["a/b", "a/c", "a/empty", "a=1/b.c_d-E", "ab"]);
    assert_eq!(names("a/"), ["a/b", "a/c", "a/empty"]);
    assert_eq!(names("a/e"), ["a/empty"]);
    assert_eq!(store.list("a/b").unwrap(), [ListedObject { name: "a/b".to_owned(), bytes: 10 }]);
    store.delete("a/b").unwrap();
    store.delete("a/b").unwrap();
    assert_eq!(store.get("a/b").unwrap(), None);
    assert_eq!(store.put_new("a/b", b"third").unwrap(), Creation::Created);

    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a b", "a\0", "ä", &long] {
        let errors = [
            store.put_new(name, b"").unwrap_err(),
            store.put(name, b"").unwrap_err(),
            store.get(name).unwrap_err(),
            store.get_range(name, 0, 1).unwrap_err(),
            store.delete(name).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("it is no name of an object"), "{name:?} {error}");
        }
    }
    for prefix in ["/", "../", "a/../", "."] {
        assert!(store.list(prefix).is_err(), "{prefix:?}");
    }

    // Of many that create one object at the same time one does.
    for round in 0..20 {
        let name = format!("race/{round}");
        let creations = std::thread::scope(|scope| {
            let create = |number: u8| {
                let name = &name;
                move || (number, store.put_new(name, &[number; 100]).unwrap())
            };
            let racers = [0, 1, 2, 3].map(|number| scope.spawn(create(number)));
            racers.map(|racer| racer.join().unwrap())
        });
        let created = creations.iter().filter(|(_, creation)| *creation == Creation::Created);
        let created: Vec<_> = created.map(|(number, _)| *number).collect();
        assert_eq!(created.len(), 1, "{creations:?}");
        assert_eq!(store.get(&name).unwrap().unwrap(), [created[0]; 100]);
    }
}
