use super::*;

fn read(input: Input, text: &[u8]) -> Result<Vec<NewRecord>, String> {
    Reader::new(text, input).collect()
}

fn pattern(text: &str) -> Input {
    Input::of(Pattern::parse(text).unwrap()).unwrap()
}

fn keyed(key: &str, value: &str) -> NewRecord {
    NewRecord { key: Some(key.into()), value: Some(value.into()), ..NewRecord::default() }
}

fn value(value: &str) -> NewRecord {
    NewRecord { value: Some(value.into()), ..NewRecord::default() }
}

#[test]
fn a_line_is_a_value() {
    let lines = || Input::Lines { separator: None };
    assert_eq!(read(lines(), b"").unwrap(), []);
    assert_eq!(read(lines(), b"a\n\nb").unwrap(), [value("a"), value(""), value("b")]);
}

#[test]
fn a_separator_splits_key_and_value_once() {
    let lines = || Input::Lines { separator: Some(b"::".to_vec()) };
    assert_eq!(read(lines(), b"a::b::c\n::\n").unwrap(), [keyed("a", "b::c"), keyed("", "")]);
    let error = read(lines(), b"a::b\nc\n").unwrap_err();
    assert_eq!(error, "line 2 of the input: it has no :: between key and value (-K)");
}

#[test]
fn patterns_read_what_they_write() {
    assert_eq!(read(pattern(r"%k %v\n"), b"a b c\nd e").unwrap(), [keyed("a", "b c"), keyed("d", "e")]);
    assert_eq!(read(pattern("%v"), b"all\nof it").unwrap(), [value("all\nof it")]);
    let all = read(pattern(r"%t,%p,%o,%d,%H,%h{%k=%v;}%v{hex}\n"), b"t,2,7,-1,2,a=1;b=;0aff\n").unwrap();
    let expected = NewRecord {
        topic: Some("t".to_owned()),
        partition: Some(2),
        timestamp: Some(-1),
        key: None,
        value: Some(vec![10, 255]),
        headers: vec![("a".to_owned(), Some(b"1".to_vec())), ("b".to_owned(), Some(Vec::new()))],
    };
    assert_eq!(all, [expected]);
    let sized = b"\x00\x00\x00\x03a\nb\x02\x00hi\x00\x00\x00\x00\x00\x00";
    assert_eq!(
        read(pattern("%K{big32}%k%V{little16}%v"), sized).unwrap(),
        [keyed("a\nb", "hi"), keyed("", "")]
    );
    assert_eq!(read(pattern("%V,%v{base64}"), b"1,Zg==2,Zm8=").unwrap(), [value("f"), value("fo")]);
}

#[test]
fn what_does_not_fit_is_named() {
    for (text, input, reason) in [
        (r"%k %v\n", "ab", "record 1 of the input: the input ends before \" \""),
        (r"%V %v\n", "3 abcd\n", "expected \"\\n\", found \"d\""),
        (r"%V %v\n", "9 abcd\n", "ends after 5 of 9 bytes"),
        (r"%V %v\n", "-1 \n", "-1 is no length"),
        (r"%V %v\n", "999999999999 \n", "more than"),
        (r"%p %v\n", "x a\n", "is no number"),
        (r"%p %v\n", "99999999999 a\n", "is no partition"),
        (r"%v{hex}\n", "0\n", "hexadecimal"),
        (r"%v{hex}\n", "0g\n", "hexadecimal"),
        (r"%v{base64}\n", "Zg\n", "Base64"),
        (r"%H %h{%k=%v,} %v\n", "99999999 a=b,", "fewer than 99999999 headers"),
    ] {
        let error = read(pattern(text), input.as_bytes()).unwrap_err();
        assert!(error.contains(reason), "{text} {input}: {error}");
    }
}

#[test]
fn patterns_without_ends_are_refused() {
    for (text, reason) in [
        ("", "is empty"),
        ("%k%v\n", "%k needs a literal after it, or its length before it (%K)"),
        ("%K%k", "needs a literal after it, such as a blank"),
        ("%k\n", "the pattern has no %v"),
        ("%h{%k=%v }\n", "%h{…} needs %H"),
        ("%H %h{}\n", "%h{} is empty"),
        ("%H %h{%k=%v}\n", "%v needs a literal"),
    ] {
        let error = Input::of(Pattern::parse(text).unwrap()).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

/// Users saw: `ottla produce --file FOLDER` ended with an error about line 0.
#[test]
fn an_input_that_cannot_be_read_is_named_with_its_first_line() {
    struct Folder;
    impl std::io::Read for Folder {
        fn read(&mut self, _bytes: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::IsADirectory.into())
        }
    }
    let error = Reader::new(std::io::BufReader::new(Folder), Input::Lines { separator: None }).next();
    assert_eq!(error, Some(Err("line 1 of the input: it cannot be read: is a directory".to_owned())));
}

#[test]
fn the_headers_of_a_record_have_a_bound() {
    let with = |count: usize| {
        read(pattern(r"%H %h{%k,}%v\n"), format!("{count} {}v\n", ",".repeat(count)).as_bytes())
    };
    assert_eq!(with(1000).unwrap()[0].headers.len(), 1000);
    let error = with(3_000_000).unwrap_err();
    assert_eq!(error, "record 1 of the input: its headers take more than 104857600 bytes");
}
