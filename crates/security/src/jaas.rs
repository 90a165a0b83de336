//! Java's texts about logins: the value of `sasl.jaas.config`, and the file of `java.security.auth.login.config`.
//!
//! ```text
//! value    module…
//! module   class flag name=value… ;
//! file     section {  module…  } ;
//! ```
//! A value is a word or stands in quotes, with Java's escapes. `//`, `/* */` and, in files, `#` begin comments. Class names
//! are only texts here. An error names a position and never the text, which holds passwords.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Kafka's module for users of PLAIN.
pub const PLAIN_LOGIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
/// Kafka's module for users of SCRAM.
pub const SCRAM_LOGIN_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
/// Kafka's login module of OAUTHBEARER.
pub const OAUTHBEARER_LOGIN_MODULE: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// One login module: a class and its options, in their order.
#[derive(Clone, Debug)]
pub struct LoginModule {
    /// Full name of the Java class.
    pub class: String,
    /// Name and value of each option. Every value may be a password.
    pub options: Vec<(String, Secret)>,
}

/// A part of a file: modules under a name, such as `KafkaServer`.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its modules.
    pub modules: Vec<LoginModule>,
}

/// The fault of a text, without any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("character {position}: {reason}")]
pub struct JaasError {
    /// Counted from 1.
    pub position: usize,
    /// The fault, and what belongs there.
    pub reason: &'static str,
}

const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

/// Reads the value of `sasl.jaas.config`.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<Vec<LoginModule>, JaasError> {
    let mut reader = Reader::new(text);
    let mut modules = Vec::new();
    while reader.peek()?.is_some() {
        modules.push(reader.module()?);
    }
    match modules.is_empty() {
        true => Err(reader.fault("a login module is missing, such as Class required name=\"value\";")),
        false => Ok(modules),
    }
}

/// Reads a file.
///
/// # Errors
/// The first fault.
pub fn parse_file(text: &str) -> Result<Vec<Section>, JaasError> {
    let mut reader = Reader::new(text);
    let mut sections = Vec::new();
    while reader.peek()?.is_some() {
        let name = reader.word("the name of a section belongs here")?;
        reader.symbol('{', "{ belongs after the name of a section")?;
        let mut modules = Vec::new();
        while reader.peek()? != Some(&Token::Symbol('}')) {
            modules.push(reader.module()?);
        }
        reader.symbol('}', "} belongs at the end of a section")?;
        reader.symbol(';', "; belongs after the } of a section")?;
        sections.push(Section { name, modules });
    }
    Ok(sections)
}

#[derive(PartialEq, Eq)]
enum Token {
    Word(Zeroizing<String>),
    /// A text in quotes.
    Quoted(Zeroizing<String>),
    /// One of `=;{}`.
    Symbol(char),
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// Bytes of the longest value that the text can have.
    length: usize,
    /// Characters taken so far.
    taken: usize,
    /// The next token and where it begins, if it was looked at.
    next: Option<(Token, usize)>,
    /// Position of the last token.
    position: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), length: text.len(), taken: 0, next: None, position: 1 }
    }

    /// A text to append to. It never grows, as growing would leave a copy in memory that is free.
    fn empty(&self) -> Zeroizing<String> {
        Zeroizing::new(String::with_capacity(self.length))
    }

    fn fault(&self, reason: &'static str) -> JaasError {
        JaasError { position: self.position, reason }
    }

    fn module(&mut self) -> Result<LoginModule, JaasError> {
        let class = self.word("the class of a login module belongs here")?;
        let flag = self.word("a control flag belongs after the class: required")?;
        if !FLAGS.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
            return Err(
                self.fault("no control flag: required, requisite, sufficient or optional belongs here")
            );
        }
        let mut options = Vec::new();
        while self.peek()? != Some(&Token::Symbol(';')) {
            let name = self.word("an option name=\"value\" or ; belongs here")?;
            self.symbol('=', "= belongs after the name of an option")?;
            let value = match self.take()? {
                Some(Token::Word(value) | Token::Quoted(value)) => Secret::new(value.as_bytes()),
                _ => return Err(self.fault("a value in quotes belongs after =")),
            };
            options.push((name, value));
        }
        self.symbol(';', "; belongs after a login module")?;
        Ok(LoginModule { class, options })
    }

    fn word(&mut self, reason: &'static str) -> Result<String, JaasError> {
        match self.take()? {
            Some(Token::Word(word)) => Ok(word.to_string()),
            _ => Err(self.fault(reason)),
        }
    }

    fn symbol(&mut self, symbol: char, reason: &'static str) -> Result<(), JaasError> {
        match self.take()? {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            _ => Err(self.fault(reason)),
        }
    }

    fn peek(&mut self) -> Result<Option<&Token>, JaasError> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        Ok(self.next.as_ref().map(|(token, _)| token))
    }

    fn take(&mut self) -> Result<Option<Token>, JaasError> {
        self.peek()?;
        let Some((token, position)) = self.next.take() else {
            // The end of the text, one past its last character.
            self.position = self.taken + 1;
            return Ok(None);
        };
        self.position = position;
        Ok(Some(token))
    }

    fn char(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.taken += usize::from(next.is_some());
        next
    }

    fn read(&mut self) -> Result<Option<(Token, usize)>, JaasError> {
        self.skip()?;
        let position = self.taken + 1;
        let Some(first) = self.char() else { return Ok(None) };
        let token = match first {
            '=' | ';' | '{' | '}' => Token::Symbol(first),
            '"' | '\'' => Token::Quoted(self.quoted(first, position)?),
            _ => {
                let mut word = self.empty();
                word.push(first);
                while let Some(next) =
                    self.rest.next_if(|next| !next.is_whitespace() && !"=;{}\"'".contains(*next))
                {
                    self.taken += 1;
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        Ok(Some((token, position)))
    }

    /// Passes over blanks and comments.
    fn skip(&mut self) -> Result<(), JaasError> {
        loop {
            match self.rest.peek() {
                Some(blank) if blank.is_whitespace() => {
                    self.char();
                }
                Some('#') => self.skip_line(),
                Some('/') => {
                    self.position = self.taken + 1;
                    self.char();
                    match self.char() {
                        Some('/') => self.skip_line(),
                        Some('*') => self.skip_block()?,
                        _ => return Err(self.fault("a single / begins nothing; a comment begins with //")),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.char().is_some_and(|next| next != '\n') {}
    }

    fn skip_block(&mut self) -> Result<(), JaasError> {
        let mut last = ' ';
        while let Some(next) = self.char() {
            if (last, next) == ('*', '/') {
                return Ok(());
            }
            last = next;
        }
        Err(self.fault("the comment has no end"))
    }

    /// The text up to the closing quote, with the escapes of Java's `StreamTokenizer`.
    fn quoted(&mut self, quote: char, position: usize) -> Result<Zeroizing<String>, JaasError> {
        let unclosed = JaasError { position, reason: "the quote has no end" };
        let mut text = self.empty();
        loop {
            match self.char().ok_or(unclosed)? {
                '\\' => {
                    let escaped = self.char().ok_or(unclosed)?;
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'a' => '\u{7}',
                        'v' => '\u{b}',
                        '0'..='7' => self.octal(escaped),
                        other => other,
                    });
                }
                '\n' | '\r' => return Err(unclosed),
                end if end == quote => return Ok(text),
                other => text.push(other),
            }
        }
    }

    /// A character by its number in octal digits, at most 0377.
    fn octal(&mut self, first: char) -> char {
        let most = if first <= '3' { 3 } else { 2 };
        let mut number = first.to_digit(8).unwrap_or(0);
        for _ in 1..most {
            let Some(digit) = self.rest.next_if(|next| next.is_digit(8)) else { break };
            self.taken += 1;
            number = number * 8 + digit.to_digit(8).unwrap_or(0);
        }
        char::from_u32(number).unwrap_or('\u{fffd}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(module: &LoginModule) -> Vec<(&str, &str)> {
        module.options.iter().map(|(name, value)| (name.as_str(), value.expose_text().unwrap())).collect()
    }

    #[test]
    fn a_module_has_a_class_a_flag_and_options() {
        let text = format!(
            "{PLAIN_LOGIN_MODULE} Required\n username=\"admin\" password='a;b=c' // comment\n user_alice=pa-ss /* x */ ;"
        );
        let modules = parse(&text).unwrap();
        assert_eq!(modules.len(), 1);
        assert_eq!(modules[0].class, PLAIN_LOGIN_MODULE);
        let expected = [("username", "admin"), ("password", "a;b=c"), ("user_alice", "pa-ss")];
        assert_eq!(options(&modules[0]), expected);
        assert!(parse("C required;").unwrap()[0].options.is_empty());
        assert_eq!(parse("C required; D optional a=b;").unwrap().len(), 2);
    }

    #[test]
    fn escapes_are_javas() {
        let modules = parse(r#"C required a="\"q\" \\ \t\101\x#//";"#).unwrap();
        assert_eq!(options(&modules[0]), [("a", "\"q\" \\ \tAx#//")]);
    }

    #[test]
    fn faults_name_a_position_and_no_text() {
        for (text, position, part) in [
            ("", 1, "a login module is missing"),
            ("C", 2, "a control flag belongs"),
            ("C sometimes hunter2=x;", 3, "no control flag"),
            ("C required user_a hunter2;", 19, "= belongs"),
            ("C required user_a=;", 19, "a value in quotes"),
            ("C required user_a=\"hunter2", 19, "the quote has no end"),
            ("C required user_a=\"hunter2\"", 28, "; belongs here"),
            ("C required /* hunter2", 12, "the comment has no end"),
            ("C required / a=b;", 12, "a single /"),
            ("\"C\" required;", 1, "the class"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.position, position, "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_has_sections() {
        let text = "# first\nKafkaServer {\n C required user_a=\"b\";\n};\nouter.KafkaServer { D required; E optional; };";
        let sections = parse_file(text).unwrap();
        let shape: Vec<_> = sections.iter().map(|one| (one.name.as_str(), one.modules.len())).collect();
        assert_eq!(shape, [("KafkaServer", 1), ("outer.KafkaServer", 2)]);
        for (text, part) in [
            ("KafkaServer C required;", "{ belongs"),
            ("KafkaServer { C required;", "the class of a login module"),
            ("KafkaServer { C required; }", "; belongs after the }"),
        ] {
            assert!(parse_file(text).unwrap_err().to_string().contains(part), "{text}");
        }
        assert!(parse_file(" // nothing\n").unwrap().is_empty());
    }
}
