//! Log batches, the format `zeek-bin-serializer`: a header with the schema, then records.
//!
//! Two ways in: [`LogBatch::decode`] gives an owned value, [`BatchReader`] walks the payload without allocating, for a
//! logger's hot path. One way out: [`LogBatch::encode`], or [`BatchWriter`] when records arrive one by one.
//!
//! Compatibility: Zeek believes the type tag of each value; here it has to agree with its column, because what a batch
//! declares is what its log file's header says. Octets after the last value are refused, Zeek ignores them.
//! Failure: every count is compared with the octets that are left before memory is taken for it. Beyond Zeek, columns and
//! names are limited ([`MAX_COLUMNS`], [`MAX_COLUMN_NAME`], [`MAX_HEADER_TEXT`], [`MAX_HEAD`]): a logger keeps them, and
//! repeats the names in each JSON record.
//!
//! Source: `protocol/formats.md` chapter 6 (Zeek 8.2.2, `Serializer.cc`, `SerialTypes.cc`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::data::Protocol;

/// What the one tag of `Cluster::LogSerializerTag`, `Cluster::LOG_SERIALIZER_ZEEK_BIN_V1`, is called in the transport's frames.
pub const FORMAT: &str = "zeek-bin-serializer";

/// The most columns of a batch; Zeek's widest log has about 100.
pub const MAX_COLUMNS: usize = 4096;
/// The longest name of a column, in octets.
pub const MAX_COLUMN_NAME: usize = 256;
/// The longest name of a stream, writer, filter or path, in octets.
pub const MAX_HEADER_TEXT: usize = 1024;
/// The most octets before the number of records: header and columns together.
pub const MAX_HEAD: usize = 256 << 10;

/// The fewest octets that a column of the schema takes.
const MIN_FIELD_BYTES: usize = 14;
/// The fewest octets that a value takes.
const MIN_VALUE_BYTES: usize = 9;

/// Type of a column or of a container's elements: those of Zeek's type tags that a log can hold (`formats.md` 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum TypeTag {
    /// `bool`.
    Bool = 1,
    /// `int`.
    Int = 2,
    /// `count`.
    Count = 3,
    /// `double`.
    Double = 4,
    /// `time`.
    Time = 5,
    /// `interval`.
    Interval = 6,
    /// `string`.
    String = 7,
    /// `enum`.
    Enum = 9,
    /// `port`.
    Port = 10,
    /// `addr`.
    Addr = 11,
    /// `subnet`.
    Subnet = 12,
    /// `set[…]`; Zeek calls it `table`.
    Set = 14,
    /// `func`.
    Func = 17,
    /// `file`.
    File = 18,
    /// `vector[…]`.
    Vector = 19,
}

impl TypeTag {
    /// The tag with that number; none for the types that cannot be logged.
    pub fn from_number(number: i32) -> Option<TypeTag> {
        use TypeTag::*;
        [Bool, Int, Count, Double, Time, Interval, String, Enum, Port, Addr, Subnet, Set, Func, File, Vector]
            .into_iter()
            .find(|tag| *tag as i32 == number)
    }

    /// The word of a log file's `#types` line; a set's is `set`.
    pub fn name(self) -> &'static str {
        match self {
            TypeTag::Bool => "bool",
            TypeTag::Int => "int",
            TypeTag::Count => "count",
            TypeTag::Double => "double",
            TypeTag::Time => "time",
            TypeTag::Interval => "interval",
            TypeTag::String => "string",
            TypeTag::Enum => "enum",
            TypeTag::Port => "port",
            TypeTag::Addr => "addr",
            TypeTag::Subnet => "subnet",
            TypeTag::Set => "set",
            TypeTag::Func => "func",
            TypeTag::File => "file",
            TypeTag::Vector => "vector",
        }
    }

    /// The word that Zeek's messages use (`type_name` of `Type.cc`): a set is a `table` there.
    pub fn zeek_name(self) -> &'static str {
        match self {
            TypeTag::Set => "table",
            other => other.name(),
        }
    }

    fn is_container(self) -> bool {
        matches!(self, TypeTag::Set | TypeTag::Vector)
    }
}

/// One column of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Dotted path of nested record fields, such as `id.orig_h`.
    pub name: Vec<u8>,
    /// Only the input framework has these; log batches never do.
    pub secondary_name: Option<Vec<u8>>,
    /// Type of the column.
    pub tag: TypeTag,
    /// The number of the elements' type for sets and vectors; elsewhere 0, and ignored.
    pub subtype: i32,
    /// Declared `&optional`.
    pub optional: bool,
}

impl Field {
    /// A column of a plain type.
    pub fn new(name: &str, tag: TypeTag) -> Field {
        Field { name: name.as_bytes().to_vec(), secondary_name: None, tag, subtype: 0, optional: false }
    }

    /// A column of sets or vectors.
    pub fn container(name: &str, tag: TypeTag, element: TypeTag) -> Field {
        Field { subtype: element as i32, ..Field::new(name, tag) }
    }

    /// Type of the elements; none for plain columns.
    pub fn element(&self) -> Option<TypeTag> {
        self.as_ref().element()
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> FieldRef<'_> {
        FieldRef {
            name: &self.name,
            secondary_name: self.secondary_name.as_deref(),
            tag: self.tag,
            subtype: self.subtype,
            optional: self.optional,
        }
    }
}

/// A column, borrowed from a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef<'a> {
    /// See [`Field::name`].
    pub name: &'a [u8],
    /// See [`Field::secondary_name`].
    pub secondary_name: Option<&'a [u8]>,
    /// See [`Field::tag`].
    pub tag: TypeTag,
    /// See [`Field::subtype`].
    pub subtype: i32,
    /// See [`Field::optional`].
    pub optional: bool,
}

impl FieldRef<'_> {
    /// Type of the elements; none for plain columns.
    pub fn element(&self) -> Option<TypeTag> {
        if self.tag.is_container() { TypeTag::from_number(self.subtype) } else { None }
    }

    /// The types of values that the column takes.
    pub fn column(&self) -> Column {
        Column { tag: self.tag, element: self.element() }
    }

    /// The same, owned.
    pub fn to_owned(&self) -> Field {
        Field {
            name: self.name.to_vec(),
            secondary_name: self.secondary_name.map(<[u8]>::to_vec),
            tag: self.tag,
            subtype: self.subtype,
            optional: self.optional,
        }
    }
}

/// What a decoder has to know of a column: its type and, for sets and vectors, that of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Type of the column.
    pub tag: TypeTag,
    /// Type of the elements; none for plain columns.
    pub element: Option<TypeTag>,
}

/// One value of a record, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum LogValue {
    /// Not there: `-` in a file.
    Unset,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `count`.
    Count(u64),
    /// `double`.
    Double(f64),
    /// `time`: seconds since the epoch.
    Time(f64),
    /// `interval`: seconds.
    Interval(f64),
    /// `string`: any octets.
    String(Vec<u8>),
    /// `enum`: the full name.
    Enum(Vec<u8>),
    /// `port`: the number travels with 64 bits.
    Port(u64, Protocol),
    /// `addr`.
    Addr(IpAddr),
    /// `subnet`: network and prefix length, the length relative to 128 bits also for IPv4.
    Subnet(IpAddr, u8),
    /// `set[…]`, in the order in which it travels.
    Set(Vec<LogValue>),
    /// `func`: its description.
    Func(Vec<u8>),
    /// `file`: its name.
    File(Vec<u8>),
    /// `vector[…]`; holes are [`LogValue::Unset`].
    Vector(Vec<LogValue>),
}

impl LogValue {
    /// The type that the value travels with; none for [`LogValue::Unset`], which takes that of its column.
    pub fn tag(&self) -> Option<TypeTag> {
        Some(match self {
            LogValue::Unset => return None,
            LogValue::Bool(_) => TypeTag::Bool,
            LogValue::Int(_) => TypeTag::Int,
            LogValue::Count(_) => TypeTag::Count,
            LogValue::Double(_) => TypeTag::Double,
            LogValue::Time(_) => TypeTag::Time,
            LogValue::Interval(_) => TypeTag::Interval,
            LogValue::String(_) => TypeTag::String,
            LogValue::Enum(_) => TypeTag::Enum,
            LogValue::Port(..) => TypeTag::Port,
            LogValue::Addr(_) => TypeTag::Addr,
            LogValue::Subnet(..) => TypeTag::Subnet,
            LogValue::Set(_) => TypeTag::Set,
            LogValue::Func(_) => TypeTag::Func,
            LogValue::File(_) => TypeTag::File,
            LogValue::Vector(_) => TypeTag::Vector,
        })
    }
}

/// One value of a record, borrowed from a payload.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// See [`LogValue::Unset`].
    Unset,
    /// See [`LogValue::Bool`].
    Bool(bool),
    /// See [`LogValue::Int`].
    Int(i64),
    /// See [`LogValue::Count`].
    Count(u64),
    /// See [`LogValue::Double`].
    Double(f64),
    /// See [`LogValue::Time`].
    Time(f64),
    /// See [`LogValue::Interval`].
    Interval(f64),
    /// See [`LogValue::String`].
    String(&'a [u8]),
    /// See [`LogValue::Enum`].
    Enum(&'a [u8]),
    /// See [`LogValue::Port`].
    Port(u64, Protocol),
    /// See [`LogValue::Addr`].
    Addr(IpAddr),
    /// See [`LogValue::Subnet`].
    Subnet(IpAddr, u8),
    /// See [`LogValue::Set`].
    Set(Elements<'a>),
    /// See [`LogValue::Func`].
    Func(&'a [u8]),
    /// See [`LogValue::File`].
    File(&'a [u8]),
    /// See [`LogValue::Vector`].
    Vector(Elements<'a>),
}

impl ValueRef<'_> {
    /// The same, owned.
    pub fn to_owned(&self) -> LogValue {
        let all = |elements: Elements<'_>| elements.map(|value| value.to_owned()).collect();
        match *self {
            ValueRef::Unset => LogValue::Unset,
            ValueRef::Bool(v) => LogValue::Bool(v),
            ValueRef::Int(v) => LogValue::Int(v),
            ValueRef::Count(v) => LogValue::Count(v),
            ValueRef::Double(v) => LogValue::Double(v),
            ValueRef::Time(v) => LogValue::Time(v),
            ValueRef::Interval(v) => LogValue::Interval(v),
            ValueRef::String(v) => LogValue::String(v.to_vec()),
            ValueRef::Enum(v) => LogValue::Enum(v.to_vec()),
            ValueRef::Port(number, protocol) => LogValue::Port(number, protocol),
            ValueRef::Addr(v) => LogValue::Addr(v),
            ValueRef::Subnet(network, length) => LogValue::Subnet(network, length),
            ValueRef::Set(v) => LogValue::Set(all(v)),
            ValueRef::Func(v) => LogValue::Func(v.to_vec()),
            ValueRef::File(v) => LogValue::File(v.to_vec()),
            ValueRef::Vector(v) => LogValue::Vector(all(v)),
        }
    }
}

/// The elements of a set or vector; they were checked when the value was read.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    rest: Cursor<'a>,
    left: usize,
    column: Column,
}

impl<'a> Iterator for Elements<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.rest.value(self.column).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// Why a payload is not a log batch; the whole batch is refused. Zeek's texts where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The stream, writer, filter or path is missing or cut short.
    #[error("data underflow during read in binary format: {0}")]
    Header(&'static str),
    /// The number of columns is missing, or more than the payload can hold.
    #[error("Failed to read num_fields")]
    FieldCount,
    /// A column is cut short.
    #[error("Failed to read schema field {0}")]
    Field(usize),
    /// More columns than [`MAX_COLUMNS`].
    #[error("{0} columns, at most {MAX_COLUMNS} are taken")]
    TooManyColumns(usize),
    /// The stream, writer, filter or path is longer than [`MAX_HEADER_TEXT`].
    #[error("name of the {0} of more than {MAX_HEADER_TEXT} octets")]
    LongText(&'static str),
    /// A column's name is longer than [`MAX_COLUMN_NAME`].
    #[error("name of column {0} of more than {MAX_COLUMN_NAME} octets")]
    LongColumnName(usize),
    /// Header and columns together are longer than [`MAX_HEAD`].
    #[error("header and columns of more than {MAX_HEAD} octets")]
    LongHead,
    /// A column's type cannot be logged, or a container's element type cannot.
    #[error("Failed to read schema field {field}: unsupported type {tag}")]
    FieldType {
        /// Which column, from 0.
        field: usize,
        /// The number that came.
        tag: i32,
    },
    /// The number of records is missing, or more than the payload can hold.
    #[error("Failed to read schema field")]
    RecordCount,
    /// A value is cut short or malformed.
    #[error("Failed to read record {record} field {field}")]
    Value {
        /// Which record, from 0.
        record: usize,
        /// Which column, from 0.
        field: usize,
    },
    /// A value's type is not that of its column.
    #[error("Failed to read record {record} field {field}: value of type {got} in a column of type {want}")]
    ValueType {
        /// Which record, from 0.
        record: usize,
        /// Which column, from 0.
        field: usize,
        /// The type tag that came.
        got: i32,
        /// The column's type, or that of its elements.
        want: &'static str,
    },
    /// Octets after the last value.
    #[error("{0} octets after the last record")]
    Trailing(usize),
}

/// Why a batch cannot be encoded: a mistake of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A record does not have one value for each column.
    #[error("record has {got} values for {want} columns")]
    Width {
        /// Values in the record.
        got: usize,
        /// Columns of the batch.
        want: usize,
    },
    /// A value does not have its column's type.
    #[error("value of another type in column {field}")]
    Type {
        /// Which column, from 0.
        field: usize,
    },
    /// A string is longer than 2^31-1 octets, or there are more than 2^32-1 records.
    #[error("more than the format can count")]
    TooLong,
}

/// One batch, owned. All records share stream, writer, filter, path and columns.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use zeek_cluster::wire::log_batch::{BatchError, Field, LogBatch, LogValue, TypeTag, WRITER_ASCII};
///
/// let batch = LogBatch {
///     stream: "Conn::LOG".into(),
///     writer: WRITER_ASCII.into(),
///     filter: "default".into(),
///     path: "conn".into(),
///     fields: vec![Field::new("ts", TypeTag::Time), Field::new("uid", TypeTag::String)],
///     records: vec![vec![LogValue::Time(1.5), LogValue::String("C1".into())]],
/// };
/// let payload = batch.encode()?;
/// assert_eq!(LogBatch::decode(&payload)?, batch);
/// let cut = &payload[..payload.len() - 1];
/// assert_eq!(LogBatch::decode(cut), Err(BatchError::Value { record: 0, field: 1 }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatch {
    /// Enumerator of `Log::ID`, such as `Conn::LOG`.
    pub stream: Vec<u8>,
    /// Enumerator of `Log::Writer` with its module, such as [`WRITER_ASCII`].
    pub writer: Vec<u8>,
    /// Name of the filter, mostly `default`.
    pub filter: Vec<u8>,
    /// The path, such as `conn`.
    pub path: Vec<u8>,
    /// The columns.
    pub fields: Vec<Field>,
    /// The records; each has one value for each column.
    pub records: Vec<Vec<LogValue>>,
}

/// The writer that logs have unless a script says otherwise.
pub const WRITER_ASCII: &str = "Log::WRITER_ASCII";
/// The writer that throws everything away.
pub const WRITER_NONE: &str = "Log::WRITER_NONE";

impl LogBatch {
    /// Reads a payload.
    ///
    /// # Errors
    /// Any [`BatchError`]: those of [`BatchReader::new`], [`BatchReader::record`] and [`BatchReader::finish`].
    pub fn decode(payload: &[u8]) -> Result<LogBatch, BatchError> {
        let mut reader = BatchReader::new(payload)?;
        let fields: Vec<Field> = reader.fields().map(|field| field.to_owned()).collect();
        let columns: Vec<Column> = fields.iter().map(|field| field.as_ref().column()).collect();
        let mut records = Vec::with_capacity(reader.records());
        for _ in 0..reader.records() {
            let mut record = Vec::with_capacity(columns.len());
            reader.record(&columns, |_, value| record.push(value.to_owned()))?;
            records.push(record);
        }
        let header = reader.header();
        reader.finish()?;
        Ok(LogBatch {
            stream: header.stream.to_vec(),
            writer: header.writer.to_vec(),
            filter: header.filter.to_vec(),
            path: header.path.to_vec(),
            fields,
            records,
        })
    }

    /// Writes a payload.
    ///
    /// # Errors
    /// Those of [`BatchWriter::new`] and [`BatchWriter::push`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let header = Header { stream: &self.stream, writer: &self.writer, filter: &self.filter, path: &self.path };
        let mut writer = BatchWriter::new(header, &self.fields)?;
        for record in &self.records {
            writer.push(record)?;
        }
        Ok(writer.finish())
    }
}

/// What all records of a batch share, but for the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// See [`LogBatch::stream`].
    pub stream: &'a [u8],
    /// See [`LogBatch::writer`].
    pub writer: &'a [u8],
    /// See [`LogBatch::filter`].
    pub filter: &'a [u8],
    /// See [`LogBatch::path`].
    pub path: &'a [u8],
}

/// Walks a payload without allocating: header and schema are checked first, then record by record.
#[derive(Clone, Debug)]
pub struct BatchReader<'a> {
    header: Header<'a>,
    /// Everything before the number of records.
    head: &'a [u8],
    /// The columns as they travel, without their number.
    schema: &'a [u8],
    field_count: usize,
    record_count: usize,
    /// Records read so far.
    record: usize,
    rest: Cursor<'a>,
}

impl<'a> BatchReader<'a> {
    /// Reads header and schema.
    ///
    /// # Errors
    /// [`BatchError::Header`], [`BatchError::FieldCount`], [`BatchError::Field`] or [`BatchError::RecordCount`] when
    /// that part is cut short or announces more than the octets that are left can hold; [`BatchError::FieldType`] for a
    /// type that cannot be logged; [`BatchError::LongText`], [`BatchError::TooManyColumns`],
    /// [`BatchError::LongColumnName`] or [`BatchError::LongHead`] for more than is taken.
    pub fn new(payload: &'a [u8]) -> Result<BatchReader<'a>, BatchError> {
        let mut rest = Cursor(payload);
        let header = Header {
            stream: rest.header_text("stream")?,
            writer: rest.header_text("writer")?,
            filter: rest.header_text("filter")?,
            path: rest.header_text("path")?,
        };
        let field_count = rest.count_u32(MIN_FIELD_BYTES).ok_or(BatchError::FieldCount)?;
        if field_count > MAX_COLUMNS {
            return Err(BatchError::TooManyColumns(field_count));
        }
        let start = rest.0;
        for index in 0..field_count {
            if rest.field(index)?.name.len() > MAX_COLUMN_NAME {
                return Err(BatchError::LongColumnName(index));
            }
        }
        let schema = &start[..start.len() - rest.0.len()];
        let head = &payload[..payload.len() - rest.0.len()];
        if head.len() > MAX_HEAD {
            return Err(BatchError::LongHead);
        }
        // A batch without columns would let the number of records be anything.
        let record_bytes = field_count.saturating_mul(MIN_VALUE_BYTES).max(1);
        let record_count = rest.count_u32(record_bytes).ok_or(BatchError::RecordCount)?;
        Ok(BatchReader { header, head, schema, field_count, record_count, record: 0, rest })
    }

    /// Stream, writer, filter and path.
    pub fn header(&self) -> Header<'a> {
        self.header
    }

    /// Header and schema as they travel: equal octets, equal header and columns.
    pub fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The columns.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldRef<'a>> + use<'a> {
        let mut rest = Cursor(self.schema);
        (0..self.field_count).map(move |index| rest.field(index).expect("the schema was read by `new`"))
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.record_count
    }

    /// Reads the next record and shows its values in the order of `columns`, which must be those of
    /// [`fields`](Self::fields). After an error the values seen so far are void, as is the whole batch.
    ///
    /// # Errors
    /// [`BatchError::Value`] when a value is cut short or malformed, [`BatchError::ValueType`] when its type is not
    /// that of its column.
    #[inline]
    pub fn record(&mut self, columns: &[Column], mut each: impl FnMut(usize, ValueRef<'a>)) -> Result<(), BatchError> {
        let record = self.record;
        for (field, column) in columns.iter().enumerate() {
            let value = self.rest.value(*column).map_err(|fault| fault.at(record, field))?;
            each(field, value);
        }
        self.record += 1;
        Ok(())
    }

    /// Reads all records that are left and refuses octets after them, without showing anything: after this no
    /// [`record`](Self::record) of a clone made before fails.
    ///
    /// # Errors
    /// Those of [`record`](Self::record) and [`finish`](Self::finish).
    pub fn check_rest(mut self, columns: &[Column]) -> Result<(), BatchError> {
        while self.record < self.record_count {
            self.record(columns, |_, _| {})?;
        }
        self.finish()
    }

    /// Refuses octets after the last record.
    ///
    /// # Errors
    /// [`BatchError::Trailing`] when there are any.
    pub fn finish(self) -> Result<(), BatchError> {
        if self.rest.0.is_empty() { Ok(()) } else { Err(BatchError::Trailing(self.rest.0.len())) }
    }
}

/// Collects records of one schema into a payload.
#[derive(Clone, Debug)]
pub struct BatchWriter {
    payload: Vec<u8>,
    columns: Vec<Column>,
    /// Where the number of records goes.
    count_at: usize,
    count: u32,
}

impl BatchWriter {
    /// A batch without records.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] for a text of more than 2^31-1 octets or more than 2^32-1 columns.
    pub fn new(header: Header<'_>, fields: &[Field]) -> Result<BatchWriter, EncodeError> {
        let mut payload = Vec::with_capacity(1024);
        for text in [header.stream, header.writer, header.filter, header.path] {
            put_string(&mut payload, text)?;
        }
        let number = u32::try_from(fields.len()).map_err(|_| EncodeError::TooLong)?;
        payload.extend_from_slice(&number.to_be_bytes());
        for field in fields {
            put_field(&mut payload, field)?;
        }
        let count_at = payload.len();
        payload.extend_from_slice(&[0; 4]);
        let columns = fields.iter().map(|field| field.as_ref().column()).collect();
        Ok(BatchWriter { payload, columns, count_at, count: 0 })
    }

    /// Adds a record; after an error the batch is as before.
    ///
    /// # Errors
    /// [`EncodeError::Width`] when values and columns are not equally many, [`EncodeError::Type`] when a value is not
    /// of its column's type, [`EncodeError::TooLong`] for a text of more than 2^31-1 octets and for the record after
    /// the 2^32-1st.
    pub fn push(&mut self, record: &[LogValue]) -> Result<(), EncodeError> {
        let before = self.payload.len();
        let put = self.put_record(record);
        if put.is_err() {
            self.payload.truncate(before);
        }
        put
    }

    /// Number of records so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Octets so far.
    pub fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The payload.
    pub fn finish(mut self) -> Vec<u8> {
        self.payload[self.count_at..self.count_at + 4].copy_from_slice(&self.count.to_be_bytes());
        self.payload
    }

    fn put_record(&mut self, record: &[LogValue]) -> Result<(), EncodeError> {
        if record.len() != self.columns.len() {
            return Err(EncodeError::Width { got: record.len(), want: self.columns.len() });
        }
        let count = self.count.checked_add(1).ok_or(EncodeError::TooLong)?;
        for (field, (value, column)) in record.iter().zip(&self.columns).enumerate() {
            put_value(&mut self.payload, value, *column, field)?;
        }
        self.count = count;
        Ok(())
    }
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) -> Result<(), EncodeError> {
    let length = i32::try_from(text.len()).map_err(|_| EncodeError::TooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text);
    Ok(())
}

fn put_field(out: &mut Vec<u8>, field: &Field) -> Result<(), EncodeError> {
    match &field.secondary_name {
        Some(name) => {
            out.push(1);
            put_string(out, name)?;
        }
        None => out.push(0),
    }
    put_string(out, &field.name)?;
    out.extend_from_slice(&(field.tag as i32).to_be_bytes());
    out.extend_from_slice(&field.subtype.to_be_bytes());
    out.push(field.optional.into());
    Ok(())
}

fn put_value(out: &mut Vec<u8>, value: &LogValue, column: Column, field: usize) -> Result<(), EncodeError> {
    if value.tag().is_some_and(|tag| tag != column.tag) {
        return Err(EncodeError::Type { field });
    }
    out.extend_from_slice(&(column.tag as i32).to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push((*value != LogValue::Unset).into());
    match value {
        LogValue::Unset => {}
        LogValue::Bool(v) => out.extend_from_slice(&i64::from(*v).to_be_bytes()),
        LogValue::Int(v) => out.extend_from_slice(&v.to_be_bytes()),
        LogValue::Count(v) => out.extend_from_slice(&v.to_be_bytes()),
        LogValue::Double(v) | LogValue::Time(v) | LogValue::Interval(v) => out.extend_from_slice(&v.to_be_bytes()),
        LogValue::String(v) | LogValue::Enum(v) | LogValue::Func(v) | LogValue::File(v) => put_string(out, v)?,
        LogValue::Port(number, protocol) => {
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(&(*protocol as i32).to_be_bytes());
        }
        LogValue::Addr(v) => put_addr(out, *v),
        LogValue::Subnet(network, length) => {
            out.push(*length);
            put_addr(out, *network);
        }
        LogValue::Set(elements) | LogValue::Vector(elements) => {
            let tag = column.element.ok_or(EncodeError::Type { field })?;
            let count = i64::try_from(elements.len()).map_err(|_| EncodeError::TooLong)?;
            out.extend_from_slice(&count.to_be_bytes());
            for element in elements {
                put_value(out, element, Column { tag, element: None }, field)?;
            }
        }
    }
    Ok(())
}

fn put_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(6);
            out.extend_from_slice(&v6.octets());
        }
    }
}

/// What is wrong with a value, before it is known where it stands.
enum Fault {
    Malformed,
    Type { got: i32, want: TypeTag },
}

impl Fault {
    fn at(self, record: usize, field: usize) -> BatchError {
        match self {
            Fault::Malformed => BatchError::Value { record, field },
            Fault::Type { got, want } => BatchError::ValueType { record, field, got, want: want.name() },
        }
    }
}

/// What is left of a payload. All numbers are big-endian.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    #[inline]
    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    #[inline]
    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    #[inline]
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.i32()?).ok()?;
        self.take(length)
    }

    fn header_text(&mut self, what: &'static str) -> Result<&'a [u8], BatchError> {
        let text = self.string().ok_or(BatchError::Header(what))?;
        if text.len() > MAX_HEADER_TEXT { Err(BatchError::LongText(what)) } else { Ok(text) }
    }

    /// A number of things that take at least `each` octets.
    fn count_u32(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        (count <= self.0.len() / each).then_some(count)
    }

    fn count_i64(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(i64::from_be_bytes(self.array()?)).ok()?;
        (count <= self.0.len() / each).then_some(count)
    }

    fn field(&mut self, index: usize) -> Result<FieldRef<'a>, BatchError> {
        let (secondary_name, name, number, subtype, optional) = self.raw_field().ok_or(BatchError::Field(index))?;
        let tag = TypeTag::from_number(number).ok_or(BatchError::FieldType { field: index, tag: number })?;
        let field = FieldRef { name, secondary_name, tag, subtype, optional };
        let element_fits = field.element().is_some_and(|element| !element.is_container());
        if tag.is_container() && !element_fits {
            return Err(BatchError::FieldType { field: index, tag: subtype });
        }
        Ok(field)
    }

    #[expect(clippy::type_complexity, reason = "the octets of a column in their order, named by the only caller")]
    fn raw_field(&mut self) -> Option<(Option<&'a [u8]>, &'a [u8], i32, i32, bool)> {
        let secondary_name = if self.u8()? == 1 { Some(self.string()?) } else { None };
        Some((secondary_name, self.string()?, self.i32()?, self.i32()?, self.u8()? == 1))
    }

    #[inline]
    fn value(&mut self, column: Column) -> Result<ValueRef<'a>, Fault> {
        let head = self.array::<MIN_VALUE_BYTES>().ok_or(Fault::Malformed)?;
        let got = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if got != column.tag as i32 {
            return Err(Fault::Type { got, want: column.tag });
        }
        if head[8] != 1 {
            return Ok(ValueRef::Unset);
        }
        if let Some(tag) = column.element {
            let elements = self.elements(Column { tag, element: None })?;
            return Ok(if column.tag == TypeTag::Set { ValueRef::Set(elements) } else { ValueRef::Vector(elements) });
        }
        self.plain(column.tag).ok_or(Fault::Malformed)
    }

    #[inline]
    fn plain(&mut self, tag: TypeTag) -> Option<ValueRef<'a>> {
        Some(match tag {
            TypeTag::Bool => ValueRef::Bool(self.u64()? != 0),
            TypeTag::Int => ValueRef::Int(self.u64()? as i64),
            TypeTag::Count => ValueRef::Count(self.u64()?),
            TypeTag::Double => ValueRef::Double(f64::from_bits(self.u64()?)),
            TypeTag::Time => ValueRef::Time(f64::from_bits(self.u64()?)),
            TypeTag::Interval => ValueRef::Interval(f64::from_bits(self.u64()?)),
            TypeTag::String => ValueRef::String(self.string()?),
            TypeTag::Enum => ValueRef::Enum(self.string()?),
            TypeTag::Func => ValueRef::Func(self.string()?),
            TypeTag::File => ValueRef::File(self.string()?),
            TypeTag::Port => ValueRef::Port(self.u64()?, self.protocol()?),
            TypeTag::Addr => ValueRef::Addr(self.addr()?),
            TypeTag::Subnet => {
                let length = self.u8()?;
                ValueRef::Subnet(self.addr()?, length)
            }
            TypeTag::Set | TypeTag::Vector => return None,
        })
    }

    fn protocol(&mut self) -> Option<Protocol> {
        Some(match self.i32()? {
            0 => Protocol::Unknown,
            1 => Protocol::Tcp,
            2 => Protocol::Udp,
            3 => Protocol::Icmp,
            _ => return None,
        })
    }

    #[inline]
    fn addr(&mut self) -> Option<IpAddr> {
        match self.u8()? {
            4 => Some(IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))),
            6 => Some(IpAddr::V6(Ipv6Addr::from(self.array::<16>()?))),
            _ => None,
        }
    }

    /// Steps over the elements, so that whoever iterates over them later meets no surprise.
    fn elements(&mut self, column: Column) -> Result<Elements<'a>, Fault> {
        let count = self.count_i64(MIN_VALUE_BYTES).ok_or(Fault::Malformed)?;
        let elements = Elements { rest: *self, left: count, column };
        for _ in 0..count {
            self.value(column)?;
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests;
