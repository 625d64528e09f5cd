//! A real browser, which loads, clicks and types as a person does: Chromium without a screen, driven over
//! the pipe of its debugging protocol. It ends with the test.

use crate::folder::Folder;
use base64::Engine as _;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far more than anything takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(120);

/// Whichever there is. What it is told and what it answers goes through descriptors 3 and 4.
const START: &str = "\
mkfifo \"$1/to\" \"$1/from\"
for name in chromium-headless-shell chromium google-chrome; do
    if command -v $name >/dev/null; then
        exec $name --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \\
            --host-resolver-rules='MAP *.example 127.0.0.1' \\
            --remote-debugging-pipe --user-data-dir=\"$1/profile\" about:blank \\
            3<\"$1/to\" 4>\"$1/from\" >/dev/null 2>&1
    fi
done
exit 127";

/// A page in a browser of its own.
pub struct Browser {
    child: Child,
    to: File,
    messages: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    asked: Vec<String>,
    complaints: Vec<String>,
    _folder: Folder,
}

impl Browser {
    /// Opens `url`.
    pub fn open(url: &str) -> Browser {
        let folder = Folder::new("browser");
        let child = Command::new("bash")
            .args(["-c", START, "bash"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let pipe = |name| folder.path().join(name);
        let begun = Instant::now();
        while !(pipe("to").exists() && pipe("from").exists()) {
            assert!(begun.elapsed() < DEADLINE, "no pipes were made");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Each waits for the other end, which the shell opens in this order.
        let to = open(&pipe("to"), File::options().write(true));
        let from = open(&pipe("from"), File::options().read(true));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let (session, sent) = (None, 0);
        let (asked, complaints, _folder) = (Vec::new(), Vec::new(), folder);
        let mut it = Browser { child, to, messages, session, sent, asked, complaints, _folder };
        let target = it.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        it.session =
            it.call("Target.attachToTarget", &attach)["sessionId"].as_str().map(Into::into);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            it.call(&format!("{domain}.enable"), &json!({}));
        }
        it.size(1_280, false);
        it.go(url);
        it
    }

    /// Goes to `url`.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What the browser answers, or what it says is wrong.
    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut message =
                self.messages.recv_timeout(DEADLINE).expect("an answer of the browser");
            if message["id"] == self.sent {
                let error = message["error"].take();
                return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
            }
            self.note(&message);
        }
    }

    /// Remembers what the page asked for, and what went wrong in it.
    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.asked.push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            // That nobody answers is what the page is there to say.
            "Log.entryAdded" if params["entry"]["source"] == "network" => {}
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => {
                self.complaints.push(params.to_string());
            }
            _ => {}
        }
    }

    fn evaluate(&mut self, script: &str) -> Result<Value, Value> {
        let asked = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        self.try_call("Runtime.evaluate", &asked)
    }

    /// What a script gives.
    pub fn value(&mut self, script: &str) -> Value {
        let answer = self.evaluate(script).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text that a person sees of the element with this id.
    pub fn text(&mut self, id: &str) -> String {
        let text = self.value(&format!("document.getElementById('{id}')?.innerText ?? ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Whether a script gives true; one that fails on a page that is not there yet, or is left meanwhile,
    /// does not.
    pub fn is(&mut self, script: &str) -> bool {
        self.evaluate(script).is_ok_and(|answer| answer["result"]["value"] == true)
    }

    /// Waits until a script gives true.
    pub fn until(&mut self, what: &str, script: &str) {
        let begun = Instant::now();
        while !self.is(script) {
            if begun.elapsed() >= DEADLINE {
                let seen = self.value("document.body.innerText.slice(0, 3000)");
                panic!("waited in vain for {what}; seen is\n{seen}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the element with this id shows a text.
    pub fn until_says(&mut self, id: &str, text: &str) {
        let (text, what) = (json!(text), format!("\"{text}\" in #{id}"));
        self.until(&what, &format!("document.getElementById('{id}').innerText.includes({text})"));
    }

    /// Presses the mouse in the middle of what `selector` finds first, once that is where a person sees it:
    /// on a page that is still being loaded it moves.
    pub fn click(&mut self, selector: &str) {
        let found = json!(selector);
        let middle = format!(
            "const e = document.querySelector({found}); e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const r = e.getClientRects()[0]; const [x, y] = [r.x + r.width / 2, r.y + r.height / 2];"
        );
        let there =
            "document.readyState === 'complete' && e.contains(document.elementFromPoint(x, y))";
        self.until(
            &format!("{selector} to be seen"),
            &format!("(() => {{ {middle} return {there}; }})()"),
        );
        let place = self.value(&format!("(() => {{ {middle} return [x, y]; }})()"));
        for kind in ["mousePressed", "mouseReleased"] {
            let press = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1
            });
            self.call("Input.dispatchMouseEvent", &press);
        }
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "/" => (191, "/"),
            other => panic!("no key {other}"),
        };
        let event = |kind| json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", &event("keyDown"));
        self.call("Input.dispatchKeyEvent", &event("keyUp"));
    }

    /// Makes the window so wide, and the system's colours light or dark.
    pub fn size(&mut self, width: u32, dark: bool) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let colours = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &colours);
    }

    /// What is seen now, as a picture (PNG).
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", &json!({}));
        let text = picture["data"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    /// What was asked for over the network so far.
    pub fn asked(&mut self) -> &[String] {
        self.value("0");
        &self.asked
    }

    /// What the browser complained of: errors of scripts, and what the page's own policy forbids.
    pub fn complaints(&mut self) -> &[String] {
        self.value("0");
        &self.complaints
    }
}

fn open(path: &Path, options: &mut std::fs::OpenOptions) -> File {
    options.open(path).unwrap()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to, since it may be the child of a script; it is gone when it has nothing more to say, and
        // writes nothing into its folder any more.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.messages.recv_timeout(Duration::from_secs(10)).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
